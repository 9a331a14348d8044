#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "predict/call.h"

namespace baton::codec::rest {

// A predict body, read once: which members it has and where. Owns what it needs of the text.
//
// Use in the order of contract §4.5: Parse (checks 1, 2), then the model is looked up and the
// signature found (3, 4), then Decode (5 to 10).
class PredictBody {
 public:
  // Errors: kInvalidArgument with the contract's JSON texts (§4.3). A depth of more than kMaxDepth
  // is refused.
  static absl::StatusOr<PredictBody> Parse(base::Buffer body);

  static constexpr int kMaxDepth = 1000;

  // Empty when the body has none.
  std::string_view signature_name() const;

  // Row format answers "predictions", columnar "outputs".
  enum class Format { kRow, kColumnar };

  struct Decoded {
    predict::PredictRequest request;  // every output port of the signature
    Format format = Format::kRow;
  };
  // Errors: contract §4.5, kInvalidArgument or kUnimplemented.
  absl::StatusOr<Decoded> Decode(const engine::Signature& signature) const;

  PredictBody(PredictBody&&) noexcept;
  PredictBody& operator=(PredictBody&&) noexcept;
  ~PredictBody();

 private:
  struct Parsed;
  explicit PredictBody(std::unique_ptr<Parsed> parsed);
  std::unique_ptr<Parsed> parsed_;
};

// The answer's text (§4.6), white space included. Errors: kInvalidArgument with the contract's
// texts.
absl::StatusOr<base::Buffer> EncodePredictResponse(const engine::Signature& signature,
                                                   const std::vector<uint32_t>& output_ports,
                                                   const predict::PredictResponse& response,
                                                   PredictBody::Format format);

// {"error": "..."} as §4.4 lays it out.
std::string ErrorBody(std::string_view message);

}  // namespace baton::codec::rest
