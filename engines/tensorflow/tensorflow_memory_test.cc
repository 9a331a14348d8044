// Memory that comes back: its own program, since it looks at the resident set of the whole process.
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine_test_model.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

constexpr double kMiB = 1024 * 1024;

double ResidentMiB() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / kMiB;
}

TEST(TensorflowMemoryTest, AnUnloadedModelGivesItsMemoryBack) {
  const tensor::Tensor x = tensor::Tensor::FromValues<float>(
      tensor::DType::kFloat, tensor::Shape({16, 2048}), std::vector<float>(16 * 2048, 0.5f));
  std::vector<double> after_unload;
  for (int round = 0; round < 5; ++round) {
    {
      absl::StatusOr<TestModel> model = TestModel::Load(BATON_TEST_MADE_MODELS "/large");
      ASSERT_TRUE(model.ok()) << model.status();
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(model->Run("", {{"x", x}}).ok());
      EXPECT_GT(ResidentMiB(), 300) << "the model is not even there";
    }
    after_unload.push_back(ResidentMiB());
    std::printf("round %d: %.0f MiB after the unload\n", round, after_unload.back());
  }
  // The first round pays for what TensorFlow sets up once.
  for (size_t i = 1; i < after_unload.size(); ++i) {
    EXPECT_LT(after_unload[i], after_unload[0] * 1.03) << "round " << i;
  }
  EXPECT_LT(after_unload.back(), 500) << "the weights of 200 MB are still there";
}

}  // namespace
}  // namespace baton::engine
