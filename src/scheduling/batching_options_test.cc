#include "scheduling/batching_options.h"

#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "gtest/gtest.h"

namespace baton::scheduling {
namespace {

TEST(BatchingOptionsTest, DefaultsAreTensorFlowServings) {
  const BatchingOptions options;
  EXPECT_TRUE(options.Validate().ok());
  EXPECT_EQ(options.max_batch_size, 1000);
  EXPECT_EQ(options.batch_timeout_micros, 0);
  EXPECT_EQ(options.MaxEnqueuedBatches(), 10);
  EXPECT_EQ(options.MaxRowsOfBatch(), 1000);
  EXPECT_EQ(options.Threads(), std::thread::hardware_concurrency());
  EXPECT_EQ(options.thread_pool_name, "batch_threads");
  EXPECT_EQ(options.RoundUp(7), 7);
}

TEST(BatchingOptionsTest, RefusesWhatNoQueueCanBeMadeOf) {
  const struct {
    BatchingOptions options;
    std::string error;  // empty: fine
  } kCases[] = {
      {{.max_batch_size = 0}, "input_batch_size_limit must be positive; was 0"},
      {{.max_batch_size = -1}, "input_batch_size_limit must be positive; was -1"},
      {{.max_batch_size = 1}, ""},
      {{.batch_timeout_micros = -1}, "batch_timeout_micros must be non-negative; was -1"},
      {{.batch_timeout_micros = 0}, ""},
      {{.num_batch_threads = 0}, "num_batch_threads must be positive; was 0"},
      {{.num_batch_threads = -3}, "num_batch_threads must be positive; was -3"},
      {{.num_batch_threads = 1 << 20}, "num_batch_threads must not exceed 32768; was 1048576"},
      {{.max_enqueued_batches = -1}, "max_enqueued_batches must be positive; was -1"},
      {{.max_enqueued_batches = 0}, ""},
      {{.max_enqueued_batches = 0, .enable_large_batch_splitting = true},
       "max_enqueued_batches must be positive; was 0"},
      {{.max_batch_size = 4, .allowed_batch_sizes = {2, 3}},
       "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 3; expected 4"},
      {{.allowed_batch_sizes = {2, 4}},
       "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected "
       "1000"},
      {{.max_batch_size = 4, .allowed_batch_sizes = {8, 4}}, ""},
      {{.max_batch_size = 4, .max_execution_batch_size = 5}, ""},  // without splitting unused
      {{.max_batch_size = 4, .enable_large_batch_splitting = true, .max_execution_batch_size = 5},
       "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or "
       "equal to max_execution_batch_size."},
      {{.max_batch_size = 4, .enable_large_batch_splitting = true, .max_execution_batch_size = 0},
       "max_execution_batch_size must be positive; was 0"},
      {{.max_batch_size = 4, .enable_large_batch_splitting = true, .max_execution_batch_size = 2},
       ""},
      {{.max_batch_size = 4, .enable_large_batch_splitting = true}, ""},
  };
  for (const auto& c : kCases) {
    const absl::Status status = c.options.Validate();
    if (c.error.empty()) {
      EXPECT_TRUE(status.ok()) << status;
    } else {
      EXPECT_EQ(status, absl::InvalidArgumentError(c.error));
    }
  }
}

TEST(BatchingOptionsTest, NoBatchesInTheQueueCountAsOneUnlessRequestsAreSplit) {
  EXPECT_EQ((BatchingOptions{.max_enqueued_batches = 0}).MaxEnqueuedBatches(), 1);
  EXPECT_EQ((BatchingOptions{.max_enqueued_batches = 0, .enable_large_batch_splitting = true})
                .MaxEnqueuedBatches(),
            0);
}

TEST(BatchingOptionsTest, TheSizeOfARunIsLimitedOfItsOwnOnlyWithSplitting) {
  BatchingOptions options = {.max_batch_size = 8, .max_execution_batch_size = 3};
  EXPECT_EQ(options.MaxRowsOfBatch(), 8);
  options.enable_large_batch_splitting = true;
  EXPECT_EQ(options.MaxRowsOfBatch(), 3);
  options.max_execution_batch_size.reset();
  EXPECT_EQ(options.MaxRowsOfBatch(), 8);
}

TEST(BatchingOptionsTest, RoundsUpToTheFirstAllowedSizeThatIsLargeEnough) {
  const struct {
    std::vector<int64_t> allowed;
    int64_t rows;
    int64_t rounded;
  } kCases[] = {
      {{}, 3, 3},     {{2, 4}, 1, 2},    {{2, 4}, 2, 2},
      {{2, 4}, 3, 4}, {{8, 2, 4}, 1, 8},  // not sorted for the user
      {{2, 4}, 5, 5}, {{2, 4}, 0, 0},    {{-1, 4}, 1, 4},
  };
  for (const auto& c : kCases) {
    const BatchingOptions options = {.allowed_batch_sizes = c.allowed};
    EXPECT_EQ(options.RoundUp(c.rows), c.rounded) << c.rows;
  }
}

}  // namespace
}  // namespace baton::scheduling
