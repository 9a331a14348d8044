#include <cstring>
#include <new>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "codec/rest/example_codec.h"
#include "codec/rest/example_writer.h"
#include "codec/rest/predict_codec.h"
#include "codec/rest/request_body.h"

namespace baton::codec::rest {
namespace {

using tensor::StringRef;

// One block: the views first, behind them, for each example, the context and the example.
absl::StatusOr<tensor::Tensor> WriteExamples(const ExampleWriter& context,
                                             const ExampleWriter& examples) {
  const size_t count = examples.size();
  const size_t context_bytes = context.size() == 0 ? 0 : context.bytes(0);
  uint64_t copies = 0;
  if (__builtin_mul_overflow(count, context_bytes, &copies) ||
      copies > predict::kMaxContextCopyBytes) {
    return absl::ResourceExhaustedError(
        base::StrCat("the context has ", context_bytes, " bytes and there are ", count,
                     " examples: copies of it would take more than ",
                     predict::kMaxContextCopyBytes >> 20, " MiB"));
  }
  const size_t views_bytes = count * sizeof(StringRef);
  size_t block_bytes = views_bytes + copies;
  for (size_t i = 0; i < count; ++i) block_bytes += examples.bytes(i);

  base::Buffer block = base::Buffer::Allocate(block_bytes);
  auto* ref = reinterpret_cast<StringRef*>(block.mutable_data());
  char* const texts = block.mutable_data() + views_bytes;
  char* at = texts;
  for (size_t i = 0; i < count; ++i) {
    char* const begin = at;
    if (context_bytes == 0) {
      // Nothing in front.
    } else if (i == 0) {
      at = context.Write(0, at);
    } else {
      std::memcpy(at, texts, context_bytes);
      at += context_bytes;
    }
    at = examples.Write(i, at);
    *ref++ = {begin, static_cast<size_t>(at - begin)};
  }
  return tensor::Tensor::FromBuffer(tensor::DType::kString, {static_cast<int64_t>(count)},
                                    block.Slice(0, views_bytes));
}

}  // namespace

absl::StatusOr<ExampleBody> ExampleBody::Parse(base::Buffer body) {
  BATON_ASSIGN_OR_RETURN(RequestBody request, ReadRequestBody(body, PredictBody::kMaxDepth));
  const JsonTape& tape = request.tape;
  ExampleWriter context(tape);
  if (const size_t at = tape.Find(0, "context"); at != 0) {
    BATON_RETURN_IF_ERROR(context.Add(at));
  }
  const size_t list = tape.Find(0, "examples");
  if (list == 0) {
    return WrongDocument(tape,
                         "When method is classify, key 'examples' is expected and was not found");
  }
  if (!tape.is_array(list)) {
    return WrongDocument(tape, "Expecting 'examples' value to be an list/array");
  }
  if (tape.count(list) == 0) return WrongDocument(tape, "'examples' value is an empty array");
  ExampleWriter examples(tape);
  const size_t end = tape.next(list);
  for (size_t at = list + 2; at < end; at = tape.next(at)) {
    BATON_RETURN_IF_ERROR(examples.Add(at));
  }
  ExampleBody result;
  result.signature_name = std::move(request.signature_name);
  try {
    BATON_ASSIGN_OR_RETURN(result.examples, WriteExamples(context, examples));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the examples do not fit in memory");
  }
  return result;
}

}  // namespace baton::codec::rest
