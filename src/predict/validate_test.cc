#include "predict/validate.h"

#include "base/strings.h"
#include "gtest/gtest.h"

namespace baton::predict {
namespace {

using tensor::DType;

engine::Signature MakeSignature(std::vector<DType> inputs, size_t outputs) {
  engine::Signature signature;
  for (size_t i = 0; i < inputs.size(); ++i) {
    signature.inputs.push_back({base::StrCat("in", i), "", inputs[i], {}, false});
  }
  for (size_t i = 0; i < outputs; ++i) {
    signature.outputs.push_back({base::StrCat("out", i), "", DType::kFloat, {}, false});
  }
  return signature;
}

// One run over two signatures: a string goes into the first one's only input, a float into the
// second one's second; each has one output of interest.
class SpanningRequestTest : public ::testing::Test {
 protected:
  SpanningRequestTest() {
    request_.signature = &first_;
    request_.input_ports = {0, 1};
    request_.input_signatures = {&first_, &second_};
    request_.inputs = {*tensor::Tensor::Allocate(DType::kString, {1}),
                       *tensor::Tensor::Allocate(DType::kFloat, {1})};
    request_.output_ports = {0, 2};
    request_.output_signatures = {&first_, &second_};
  }

  const engine::Signature first_ = MakeSignature({DType::kString}, 1);
  const engine::Signature second_ = MakeSignature({DType::kInt64, DType::kFloat}, 3);
  PredictRequest request_;
};

TEST_F(SpanningRequestTest, CountsEachPortInItsOwnSignature) {
  EXPECT_EQ(ValidateRequest(request_), absl::OkStatus());
}

TEST_F(SpanningRequestTest, ComparesTypesWithTheSignatureOfThePort) {
  request_.input_ports = {0, 0};
  EXPECT_EQ(ValidateRequest(request_),
            absl::InvalidArgumentError("Expects arg[1] to be int64 but float is provided"));
}

TEST_F(SpanningRequestTest, RefusesPortsThatTheirSignatureLacks) {
  request_.output_ports = {2, 2};
  EXPECT_EQ(ValidateRequest(request_).code(), absl::StatusCode::kInternal);
  request_.output_ports = {0, 2};
  request_.input_ports = {1, 1};
  EXPECT_EQ(ValidateRequest(request_).code(), absl::StatusCode::kInternal);
}

TEST_F(SpanningRequestTest, RefusesPortsWithoutASignature) {
  PredictRequest request = request_;
  request.input_signatures.pop_back();
  EXPECT_EQ(ValidateRequest(request).code(), absl::StatusCode::kInternal);
  request = request_;
  request.output_signatures.push_back(&first_);
  EXPECT_EQ(ValidateRequest(request).code(), absl::StatusCode::kInternal);
  request = request_;
  request.output_signatures[1] = nullptr;
  EXPECT_EQ(ValidateRequest(request).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace baton::predict
