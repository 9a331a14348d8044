#include "scheduling/batching_split.h"

#include <memory>
#include <utility>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "scheduling/batch_assembly.h"

namespace baton::scheduling {
namespace {

using predict::PredictResponse;

// Collects the answers of the pieces and gives the whole one.
//
// Threads: thread-safe. Owner: the pieces' sinks. REQUIRES: Deliver once for each piece.
class JoinedAnswer {
 public:
  JoinedAnswer(predict::ResponseSink sink, size_t pieces)
      : sink_(std::move(sink)), parts_(pieces), missing_(pieces) {}

  void Deliver(size_t piece, absl::StatusOr<PredictResponse> result) {
    {
      base::MutexLock lock(mutex_);
      if (result.ok()) {
        parts_[piece] = *std::move(result);
      } else if (error_.ok()) {
        error_ = std::move(result).status();
      }
      if (--missing_ > 0) return;
    }
    // Nobody else comes any more.
    sink_.Finish(Join());
  }

 private:
  absl::StatusOr<PredictResponse> Join() {
    base::MutexLock lock(mutex_);
    BATON_RETURN_IF_ERROR(error_);
    PredictResponse whole;
    std::vector<const tensor::Tensor*> outputs(parts_.size());
    for (size_t i = 0; i < parts_.front().outputs.size(); ++i) {
      int64_t rows = 0;
      for (size_t piece = 0; piece < parts_.size(); ++piece) {
        outputs[piece] = &parts_[piece].outputs[i];
        rows += outputs[piece]->shape().dim(0);
      }
      absl::StatusOr<tensor::Tensor> joined = MergeRows(outputs, {.rows = rows});
      if (!joined.ok()) {
        return absl::FailedPreconditionError(
            "The outputs of the parts of a split request do not fit together");
      }
      whole.outputs.push_back(*std::move(joined));
    }
    return whole;
  }

  base::Mutex mutex_;
  predict::ResponseSink sink_;  // used by the last piece only
  std::vector<PredictResponse> parts_ ABSL_GUARDED_BY(mutex_);
  size_t missing_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::vector<BatchTask> SplitTask(BatchTask task, std::span<const int64_t> sizes) {
  auto answer = std::make_shared<JoinedAnswer>(std::move(task.call.sink), sizes.size());
  const predict::PredictRequest& whole = task.call.request;
  std::vector<BatchTask> pieces;
  pieces.reserve(sizes.size());
  int64_t first = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    predict::PredictRequest request = {
        .signature = whole.signature,
        .input_ports = whole.input_ports,
        .inputs = {},
        .output_ports = whole.output_ports,
        .input_signatures = whole.input_signatures,
        .output_signatures = whole.output_signatures,
    };
    request.inputs.reserve(whole.inputs.size());
    for (const tensor::Tensor& input : whole.inputs) {
      request.inputs.push_back(RowsOf(input, first, sizes[i]));
    }
    pieces.push_back({
        .call = {.context = task.call.context,
                 .request = std::move(request),
                 .sink = predict::ResponseSink(
                     [answer, i](absl::StatusOr<predict::PredictResponse> result) {
                       answer->Deliver(i, std::move(result));
                     })},
        .rows = sizes[i],
        .bytes = task.bytes / sizes.size(),
        .enqueued = task.enqueued,
    });
    first += sizes[i];
  }
  return pieces;
}

}  // namespace baton::scheduling
