#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/rest/json_tape.h"

namespace baton::codec::rest {

// Turns JSON objects into serialized tf.Examples. Each is measured first, so that all of them can
// be written into one block of the right size, and then written.
//
// Threads: confined to one. Owner: borrows the tape. Errors: kInvalidArgument with the contract's
// texts (§4.7).
class ExampleWriter {
 public:
  explicit ExampleWriter(const JsonTape& tape) : tape_(tape) {}

  // Adds the value at `at` as the next Example.
  absl::Status Add(size_t at);

  size_t size() const { return examples_.size(); }
  // Bytes of one Example.
  size_t bytes(size_t example) const;
  // Writes it and returns the position behind.
  char* Write(size_t example, char* to) const;

 private:
  // Field numbers of a Feature's lists.
  enum class Kind : uint8_t { kNone = 0, kBytes = 1, kFloat = 2, kInt64 = 3 };

  struct Feature {
    std::string_view name;
    Kind kind = Kind::kNone;
    size_t values = 0;         // on the tape; texts: the first one in texts_
    size_t count = 0;          // of values
    size_t payload_bytes = 0;  // packed numbers, or whole fields of texts

    size_t list_bytes() const;
    size_t feature_bytes() const;
    size_t entry_bytes() const;
  };
  struct Example {
    size_t end = 0;             // of its features; they begin where the one before ends
    size_t features_bytes = 0;  // the Features message
  };

  absl::Status AddFeature(size_t key, Feature* feature);
  absl::Status AddValue(size_t at, Feature* feature);
  absl::StatusOr<Kind> KindOf(size_t at, std::string_view feature_name) const;
  char* WriteFeature(const Feature& feature, char* to) const;
  char* WriteNumbers(const Feature& feature, char* to) const;

  std::string_view TextAt(size_t at);
  absl::StatusOr<std::string_view> Base64At(size_t at);
  std::string_view Keep(std::string text);

  const JsonTape& tape_;
  std::vector<Example> examples_;
  std::vector<Feature> features_;        // of all Examples
  std::vector<std::string_view> texts_;  // values of all bytes features
  std::vector<base::Buffer> kept_;       // texts that do not stand in the body as they are
};

}  // namespace baton::codec::rest
