#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/grpc/example_codec.h"
#include "codec/grpc/predict_codec.h"
#include "codec/grpc/utf8.h"
#include "codec/grpc/wire_reader.h"

namespace baton::codec::grpc {
namespace {

using tensor::StringRef;

absl::Status Malformed(std::string_view type) {
  return absl::InvalidArgumentError(base::StrCat("the request is no ", type));
}

// Calls `example` for every Example of a list, and `context` for every piece of its context where
// the list is of the kind that has one. False: no list.
template <typename OnExample, typename OnContext>
bool WalkList(std::string_view list, int depth, bool has_context, OnExample example,
              OnContext context) {
  WireReader reader(list, depth);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) example(reader.bytes());
    if (reader.field() == 2 && has_context) context(reader.bytes());
  }
  return reader.ok();
}

// Adds an Input to what was seen of it before. Of the two kinds the last one counts; a list of the
// same kind continues the one before.
bool MergeInput(std::string_view bytes, int depth, ExamplesView* examples) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (!reader.is_bytes() || (reader.field() != 1 && reader.field() != 2)) continue;
    const bool has_context = reader.field() == 2;
    if (has_context != examples->has_context) *examples = {.has_context = has_context};
    if (!reader.bytes().empty()) examples->lists.push_back(reader.bytes());
    const bool is_list = WalkList(
        reader.bytes(), reader.inner_depth(), has_context,
        [&](std::string_view) { ++examples->count; },
        [&](std::string_view piece) {
          if (!piece.empty()) examples->context.push_back(piece);
        });
    if (!is_list) return false;
  }
  return reader.ok();
}

// A ClassificationRequest and a RegressionRequest have the same fields.
absl::StatusOr<ExampleRequestView> ParseRequest(std::string_view message, std::string_view type) {
  ExampleRequestView view;
  WireReader reader(message);
  bool well_formed = true;
  while (well_formed && reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) {
      if (!view.spec) view.spec.emplace();
      well_formed = MergeModelSpec(reader.bytes(), reader.inner_depth(), &*view.spec);
    } else if (reader.field() == 2) {
      well_formed = MergeInput(reader.bytes(), reader.inner_depth(), &view.examples);
    }
  }
  if (!well_formed || !reader.ok()) return Malformed(type);
  return view;
}

bool ReadTask(std::string_view bytes, int depth, predict::InferenceTask* task) {
  WireReader reader(bytes, depth);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) {
      if (!task->spec) task->spec.emplace();
      if (!MergeModelSpec(reader.bytes(), reader.inner_depth(), &*task->spec)) return false;
    } else if (reader.field() == 2) {
      task->method_name = reader.bytes();
      if (!IsValidUtf8(task->method_name)) return false;
    }
  }
  return reader.ok();
}

template <typename OnExample>
void ForEachExample(const ExamplesView& examples, OnExample example) {
  for (const std::string_view list : examples.lists) {
    WalkList(list, kMaxWireDepth, false, example, [](std::string_view) {});
  }
}

// Bytes of a block that holds the views and behind them, for each example, the context and the
// example; 0 when copies of the context take too much.
size_t BlockBytes(const ExamplesView& examples, size_t context_bytes) {
  uint64_t copies = 0;
  if (__builtin_mul_overflow(examples.count, context_bytes, &copies) ||
      copies > predict::kMaxContextCopyBytes) {
    return 0;
  }
  size_t bytes = examples.count * sizeof(StringRef) + copies;
  ForEachExample(examples, [&](std::string_view example) { bytes += example.size(); });
  return bytes;
}

absl::StatusOr<base::Buffer> CopyWithContext(const ExamplesView& examples) {
  size_t context_bytes = 0;
  for (const std::string_view piece : examples.context) context_bytes += piece.size();
  const size_t block_bytes = BlockBytes(examples, context_bytes);
  if (block_bytes == 0) {
    return absl::ResourceExhaustedError(
        base::StrCat("the context has ", context_bytes, " bytes and ", examples.count,
                     " examples: copies of it would take more than ",
                     predict::kMaxContextCopyBytes >> 20, " MiB"));
  }
  base::Buffer block = base::Buffer::Allocate(block_bytes);
  auto* ref = reinterpret_cast<StringRef*>(block.mutable_data());
  char* at = block.mutable_data() + examples.count * sizeof(StringRef);
  const auto append = [&](std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    at += bytes.size();
  };
  const char* context = nullptr;  // of the first example: the others copy it in one piece
  ForEachExample(examples, [&](std::string_view example) {
    *ref++ = {at, context_bytes + example.size()};
    if (context != nullptr) {
      append({context, context_bytes});
    } else {
      context = at;
      for (const std::string_view piece : examples.context) append(piece);
    }
    append(example);
  });
  return block.Slice(0, examples.count * sizeof(StringRef));
}

base::Buffer ViewsInto(const ExamplesView& examples, const base::Buffer& message) {
  struct Owner {
    base::Buffer views;
    base::Buffer message;
  };
  auto owner = std::make_shared<Owner>();
  owner->views = base::Buffer::Allocate(examples.count * sizeof(StringRef));
  owner->message = message;
  auto* ref = reinterpret_cast<StringRef*>(owner->views.mutable_data());
  ForEachExample(examples, [&](std::string_view bytes) { *ref++ = {bytes.data(), bytes.size()}; });
  const base::Buffer& views = owner->views;
  return base::Buffer::Wrap(views.data(), views.size(), owner);
}

}  // namespace

absl::StatusOr<ExampleRequestView> ParseClassificationRequest(std::string_view message) {
  return ParseRequest(message, "ClassificationRequest");
}

absl::StatusOr<ExampleRequestView> ParseRegressionRequest(std::string_view message) {
  return ParseRequest(message, "RegressionRequest");
}

absl::StatusOr<MultiInferenceRequestView> ParseMultiInferenceRequest(std::string_view message) {
  MultiInferenceRequestView view;
  WireReader reader(message);
  bool well_formed = true;
  while (well_formed && reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) {
      // An empty task takes two bytes of the message and a hundred here.
      if (view.tasks.size() == kMaxTasks) {
        return absl::ResourceExhaustedError(
            base::StrCat("the request has more than ", kMaxTasks, " tasks"));
      }
      well_formed = ReadTask(reader.bytes(), reader.inner_depth(), &view.tasks.emplace_back());
    } else if (reader.field() == 2) {
      well_formed = MergeInput(reader.bytes(), reader.inner_depth(), &view.examples);
    }
  }
  if (!well_formed || !reader.ok()) return Malformed("MultiInferenceRequest");
  return view;
}

absl::StatusOr<tensor::Tensor> ReadExamples(const ExamplesView& examples,
                                            const base::Buffer& message) {
  base::Buffer elements;
  try {
    if (examples.count == 0) {
      // Nothing to view.
    } else if (examples.context.empty()) {
      elements = ViewsInto(examples, message);
    } else {
      BATON_ASSIGN_OR_RETURN(elements, CopyWithContext(examples));
    }
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the examples do not fit in memory");
  }
  return tensor::Tensor::FromBuffer(tensor::DType::kString, {static_cast<int64_t>(examples.count)},
                                    std::move(elements));
}

}  // namespace baton::codec::grpc
