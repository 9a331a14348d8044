#include "scheduling/batching_predictor.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "scheduling/batch_assembly.h"
#include "scheduling/input_bytes.h"

namespace baton::scheduling {
namespace {

using predict::PredictCall;
using predict::PredictRequest;
using predict::PredictResponse;

BatchingQueue::Limits LimitsOf(const BatchingPredictor::Options& options) {
  return {.max_task_rows = options.batching.max_batch_size,
          .max_batch_size = options.batching.MaxRowsOfBatch(),
          .max_enqueued_batches = options.batching.MaxEnqueuedBatches(),
          .max_queued_bytes = options.max_queued_bytes,
          .timeout = absl::Microseconds(options.batching.batch_timeout_micros),
          .may_split = options.batching.enable_large_batch_splitting};
}

// Inputs of a batch are merged by their places, so all requests must have them in one order.
void SortInputs(PredictRequest& request) {
  const auto rank = [&request](size_t i) {
    return std::pair(request.InputSignature(i).index, request.input_ports[i]);
  };
  std::vector<size_t> order(request.inputs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto before = [&rank](size_t a, size_t b) { return rank(a) < rank(b); };
  std::stable_sort(order.begin(), order.end(), before);
  PredictRequest sorted;
  for (size_t i : order) {
    sorted.input_ports.push_back(request.input_ports[i]);
    sorted.inputs.push_back(std::move(request.inputs[i]));
    if (!request.input_signatures.empty()) {
      sorted.input_signatures.push_back(request.input_signatures[i]);
    }
  }
  request.input_ports = std::move(sorted.input_ports);
  request.inputs = std::move(sorted.inputs);
  request.input_signatures = std::move(sorted.input_signatures);
}

bool HasSortedInputs(const PredictRequest& request) {
  for (size_t i = 1; i < request.input_ports.size(); ++i) {
    if (std::pair(request.InputSignature(i - 1).index, request.input_ports[i - 1]) >
        std::pair(request.InputSignature(i).index, request.input_ports[i])) {
      return false;
    }
  }
  return true;
}

std::string_view InputName(const PredictRequest& request, size_t i) {
  const engine::Signature& signature = request.InputSignature(i);
  const uint32_t port = request.input_ports[i];
  return port < signature.inputs.size() ? std::string_view(signature.inputs[port].tensor_name) : "";
}

int64_t RowsOfBatch(const Batch& batch) {
  int64_t rows = 0;
  for (const BatchTask& task : batch.tasks) rows += task.rows;
  return rows;
}

// Where `request`'s output i is among those of the request that gave the batch its outputs.
size_t PlaceOf(const PredictRequest& request, size_t i, const PredictRequest& batch) {
  for (size_t at = 0; at < batch.output_ports.size(); ++at) {
    if (batch.output_ports[at] == request.output_ports[i] &&
        batch.OutputSignature(at).index == request.OutputSignature(i).index) {
      return at;
    }
  }
  return batch.output_ports.size();
}

absl::Status CheckOutputs(std::span<const tensor::Tensor> outputs, size_t expected, int64_t rows) {
  if (outputs.size() != expected) {
    return absl::InternalError("Wrong number of batched output tensors");
  }
  for (const tensor::Tensor& output : outputs) {
    if (output.shape().rank() == 0) {
      return absl::FailedPreconditionError("Batched output tensor has 0 dimensions");
    }
    if (output.shape().dim(0) != rows) {
      return absl::FailedPreconditionError(
          "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes "
          "of the input tensors");
    }
  }
  return absl::OkStatus();
}

void AnswerAll(Batch& batch, const absl::Status& status) {
  for (BatchTask& task : batch.tasks) task.call.sink.Finish(status);
}

// Gives every task its rows of `result`; `outputs` says what those are. The last rows may be
// padding. Touches nothing but its arguments: an answer may end the servable.
void AnswerBatch(Batch& batch, const PredictRequest& outputs, int64_t rows,
                 absl::StatusOr<PredictResponse> result) {
  if (result.ok()) {
    const absl::Status status = CheckOutputs(result->outputs, outputs.output_ports.size(), rows);
    if (!status.ok()) result = status;
  }
  if (!result.ok()) return AnswerAll(batch, result.status());
  if (batch.tasks.size() == 1 && batch.tasks.front().rows == rows) {
    return batch.tasks.front().call.sink.Finish(std::move(result));
  }
  int64_t first = 0;
  for (BatchTask& task : batch.tasks) {
    const PredictRequest& request = task.call.request;
    PredictResponse response;
    response.outputs.reserve(request.output_ports.size());
    for (size_t i = 0; i < request.output_ports.size(); ++i) {
      // The same place, unless the outputs came in another order.
      const size_t at = PlaceOf(request, i, outputs);
      response.outputs.push_back(RowsOf(result->outputs[at], first, task.rows));
    }
    first += task.rows;
    task.call.sink.Finish(std::move(response));
  }
}

}  // namespace

BatchingPredictor::BatchingPredictor(Options options, BatchingScheduler* scheduler,
                                     std::unique_ptr<predict::Predictor> next)
    : options_(std::move(options)),
      next_(std::move(next)),
      queues_(scheduler->NewQueues({
          .name = base::StrCat("model \"", options_.model, "\" version ", options_.version),
          .limits = LimitsOf(options_),
          .max_concurrent_runs = options_.max_concurrent_runs,
          .max_queues = options_.max_queues,
          .runner = this,
      })) {}

void BatchingPredictor::Predict(PredictCall call) {
  absl::Status status = predict::CheckAwaited(call.context, options_.clock->Now());
  absl::StatusOr<int64_t> rows = status.ok() ? CountRows(call.request) : std::move(status);
  if (!rows.ok()) return call.sink.Finish(std::move(rows).status());
  if (!HasSortedInputs(call.request)) SortInputs(call.request);
  const BatchKey key(call.request);
  const uint64_t bytes = InputBytes(call.request);
  queues_->Submit(key, {.call = std::move(call), .rows = *rows, .bytes = bytes});
}

absl::StatusOr<int64_t> BatchingPredictor::CountRows(const PredictRequest& request) const {
  if (request.inputs.size() != request.input_ports.size()) {
    return absl::InternalError("inputs and their ports differ in number");
  }
  if (request.inputs.empty()) {
    return absl::InvalidArgumentError("Batching Run() must have at least one input tensor");
  }
  for (const tensor::Tensor& input : request.inputs) {
    if (input.shape().rank() == 0) {
      return absl::InvalidArgumentError(
          "Batching Run() input tensors must have at least one dimension");
    }
    if (input.shape().dim(0) != request.inputs[0].shape().dim(0)) {
      return absl::InvalidArgumentError(
          "Batching Run() input tensors must have equal 0th-dimension size");
    }
  }
  const int64_t rows = request.inputs[0].shape().dim(0);
  for (const tensor::Tensor& input : request.inputs) {
    if (options_.metrics != nullptr) options_.metrics->ObserveInputBatch(rows);
    // Not in the batch, where it would fail everybody's request.
    if (options_.batching.pad_variable_length_inputs) BATON_RETURN_IF_ERROR(CheckCanPad(input));
  }
  return rows;
}

void BatchingPredictor::RunBatch(Batch batch) {
  if (absl::Status status = CheckInQueue(batch); !status.ok()) return AnswerAll(batch, status);
  if (batch.tasks.empty()) return;
  const int64_t own_rows = RowsOfBatch(batch);
  const int64_t rows = options_.batching.RoundUp(own_rows);
  if (options_.metrics != nullptr) {
    options_.metrics->ObservePadding(rows, rows - own_rows);
    options_.metrics->ObserveProcessedBatch(rows);
  }
  absl::StatusOr<PredictCall> run = Assemble(batch, rows);
  if (!run.ok()) return AnswerAll(batch, run.status());
  if (options_.metrics != nullptr) options_.metrics->CountBatch();
  PredictRequest outputs;  // only what says which they are
  outputs.signature = run->request.signature;
  outputs.output_ports = run->request.output_ports;
  outputs.output_signatures = run->request.output_signatures;
  run->sink = predict::ResponseSink([batch = std::move(batch), outputs = std::move(outputs),
                                     rows](absl::StatusOr<PredictResponse> result) mutable {
    AnswerBatch(batch, outputs, rows, std::move(result));
  });
  next_->Predict(*std::move(run));
}

// Answers the tasks that nobody waits for, and takes them out. An error is for all others.
absl::Status BatchingPredictor::CheckInQueue(Batch& batch) const {
  const absl::Time now = options_.clock->Now();
  bool in_time = false;
  const auto given_up =
      std::stable_partition(batch.tasks.begin(), batch.tasks.end(),
                            [](const BatchTask& task) { return !task.call.context.cancelled(); });
  for (auto task = given_up; task != batch.tasks.end(); ++task) {
    task->call.sink.Finish(absl::CancelledError("the caller has given up"));
  }
  batch.tasks.erase(given_up, batch.tasks.end());
  for (const BatchTask& task : batch.tasks) {
    if (options_.metrics != nullptr) {
      // The model server names no pool here.
      options_.metrics->ObserveQueuing("", absl::ToDoubleMicroseconds(now - task.enqueued));
    }
    in_time = in_time || task.call.context.deadline > now;
  }
  if (in_time || batch.tasks.empty()) return absl::OkStatus();
  return absl::ResourceExhaustedError("Run() timeout exceeded while waiting in batching queue");
}

// The call that runs the batch, without a sink.
absl::StatusOr<PredictCall> BatchingPredictor::Assemble(Batch& batch, int64_t rows) const {
  PredictCall& first = batch.tasks.front().call;
  PredictCall run;
  if (batch.tasks.size() == 1) {
    run.context = first.context;
  } else {
    // Of several, running work is not cancelled.
    run.context = {.arrival = first.context.arrival, .deadline = absl::InfinitePast()};
    for (const BatchTask& task : batch.tasks) {
      run.context.deadline = std::max(run.context.deadline, task.call.context.deadline);
    }
  }
  run.context.may_run_inline = false;  // a batch thread may wait
  if (batch.tasks.size() == 1 && batch.tasks.front().rows == rows) {
    run.request = std::move(first.request);
    return run;
  }
  run.request = {.signature = first.request.signature,
                 .input_ports = first.request.input_ports,
                 .inputs = {},
                 .output_ports = first.request.output_ports,
                 .input_signatures = first.request.input_signatures,
                 .output_signatures = first.request.output_signatures};
  std::vector<const tensor::Tensor*> parts(batch.tasks.size());
  for (size_t i = 0; i < first.request.inputs.size(); ++i) {
    for (size_t t = 0; t < parts.size(); ++t) parts[t] = &batch.tasks[t].call.request.inputs[i];
    BATON_ASSIGN_OR_RETURN(
        tensor::Tensor merged,
        MergeRows(parts, {.name = InputName(first.request, i),
                          .rows = rows,
                          .pad_dims = options_.batching.pad_variable_length_inputs,
                          .max_padded_bytes = options_.max_padded_bytes}));
    run.request.inputs.push_back(std::move(merged));
  }
  // They are in the merged ones now.
  for (BatchTask& task : batch.tasks) task.call.request.inputs.clear();
  return run;
}

}  // namespace baton::scheduling
