// Any bytes as a request over tf.Examples: what protobuf accepts is read the same by ours, what
// only ours accepts has a bad Example (the graph looks into those), and answers are what protobuf
// would write. The three requests differ little, so each input is tried as all of them.

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "codec/grpc/example_codec.h"
#include "codec/grpc/wire_reader.h"
#include "tensorflow_serving/apis/classification.pb.h"
#include "tensorflow_serving/apis/inference.pb.h"
#include "tensorflow_serving/apis/regression.pb.h"

namespace baton::codec::grpc {
namespace {

namespace tfs = tensorflow::serving;

void Require(bool condition) {
  if (!condition) std::abort();
}

void RequireSameSpec(const std::optional<predict::ModelSpec>& spec, bool has_spec,
                     const tfs::ModelSpec& proto) {
  Require(spec.has_value() == has_spec);
  if (!spec) return;
  Require(spec->name == proto.name() && spec->signature_name == proto.signature_name());
  Require(spec->version.has_value() == proto.has_version());
  Require(!spec->version || *spec->version == proto.version().value());
  Require(spec->label.has_value() == proto.has_version_label());
  Require(!spec->label || *spec->label == proto.version_label());
}

// Equal as messages: the bytes may have come in another order, or with more than one context.
bool IsSameExample(std::string_view ours, const std::string& context, const std::string& example) {
  tensorflow::Example a, b;
  // Joined Examples may be what none of them was alone (maps say more entries): only compare what
  // parses.
  if (!a.ParseFromArray(ours.data(), static_cast<int>(ours.size()))) return false;
  if (!b.ParseFromString(context + example)) return false;
  const auto text = [](const tensorflow::Example& message) {
    std::string bytes;
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
    coded.Trim();
    return bytes;
  };
  return text(a) == text(b);
}

void RequireSameExamples(const ExamplesView& view, const base::Buffer& message,
                         const tfs::Input& proto) {
  const bool has_context = proto.has_example_list_with_context();
  const auto& examples =
      has_context ? proto.example_list_with_context().examples() : proto.example_list().examples();
  const std::string context =
      has_context ? proto.example_list_with_context().context().SerializeAsString() : "";
  Require(view.count == static_cast<size_t>(examples.size()));
  const auto tensor = ReadExamples(view, message);
  if (!tensor.ok()) {
    Require(tensor.status().code() == absl::StatusCode::kResourceExhausted);
    return;
  }
  Require(tensor->num_elements() == examples.size());
  for (int i = 0; i < examples.size(); ++i) {
    Require(IsSameExample(tensor->strings()[static_cast<size_t>(i)].view(), context,
                          examples[i].SerializeAsString()));
  }
}

// What is only visible by its memory: every view lies in what the tensor keeps.
void ReadAll(const ExamplesView& view, const base::Buffer& message) {
  const auto tensor = ReadExamples(view, message);
  if (!tensor.ok()) return;
  size_t sum = 0;
  for (const tensor::StringRef& ref : tensor->strings()) {
    for (const char c : ref.view()) sum += static_cast<unsigned char>(c);
  }
  Require(sum != SIZE_MAX);
}

bool IsExample(std::string_view bytes) {
  tensorflow::Example example;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(kMaxWireDepth - 3);
  return example.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
}

// Whether some Example of some Input (field 2 of every request), overwritten ones included, is
// none.
bool HasBadExample(std::string_view message) {
  WireReader request(message);
  while (request.Next()) {
    if (request.field() != 2 || !request.is_bytes()) continue;
    WireReader input(request.bytes());
    while (input.Next()) {
      if ((input.field() != 1 && input.field() != 2) || !input.is_bytes()) continue;
      WireReader list(input.bytes());
      while (list.Next()) {
        const bool is_example = list.field() == 1 || (list.field() == 2 && input.field() == 2);
        if (is_example && list.is_bytes() && !IsExample(list.bytes())) return true;
      }
    }
  }
  return false;
}

template <typename Proto>
void CheckRequest(const absl::StatusOr<ExampleRequestView>& view, const base::Buffer& message) {
  Proto proto;
  if (proto.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    Require(view.ok());
    RequireSameSpec(view->spec, proto.has_model_spec(), proto.model_spec());
    RequireSameExamples(view->examples, message, proto.input());
  } else if (view.ok()) {
    Require(HasBadExample(message.view()));
    ReadAll(view->examples, message);
  }
}

void CheckMultiInference(const base::Buffer& message) {
  const auto view = ParseMultiInferenceRequest(message.view());
  if (view.status().code() == absl::StatusCode::kResourceExhausted) return;
  tfs::MultiInferenceRequest proto;
  if (!proto.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    if (!view.ok()) return;
    Require(HasBadExample(message.view()));
    ReadAll(view->examples, message);
    return;
  }
  Require(view.ok());
  Require(view->tasks.size() == static_cast<size_t>(proto.tasks_size()));
  for (int i = 0; i < proto.tasks_size(); ++i) {
    const predict::InferenceTask& task = view->tasks[static_cast<size_t>(i)];
    RequireSameSpec(task.spec, proto.tasks(i).has_model_spec(), proto.tasks(i).model_spec());
    Require(task.method_name == proto.tasks(i).method_name());
  }
  RequireSameExamples(view->examples, message, proto.input());
}

template <typename Proto>
void RequireReadable(const base::Buffer& message) {
  Proto proto;
  Require(proto.ParseFromArray(message.data(), static_cast<int>(message.size())));
  Require(proto.SerializeAsString() == message.view());
}

// Answers made of the input's bytes: its first byte tells the number of classes.
void CheckAnswers(std::string_view bytes) {
  if (bytes.size() < sizeof(float)) return;
  const lifecycle::ServableId id{"m", static_cast<signed char>(bytes[1])};
  const size_t columns = static_cast<unsigned char>(bytes[0]) % 8;
  std::vector<float> scores(std::min<size_t>(bytes.size() / sizeof(float), 1000));
  std::memcpy(scores.data(), bytes.data(), scores.size() * sizeof(float));
  RequireReadable<tfs::RegressionResponse>(EncodeRegressionResponse(id, "s", {scores}, 0));
  predict::Classifications result{.examples = columns == 0 ? 3 : scores.size() / columns,
                                  .classes = columns};
  scores.resize(result.examples * columns);
  std::vector<tensor::StringRef> labels;
  for (size_t i = 0; i < scores.size(); ++i) {
    // Protobuf complains of text that is no UTF-8, ours does not: only lengths are tried.
    static const std::string text(300, 'x');
    labels.push_back({text.data(), static_cast<unsigned char>(bytes[i]) + i % 2 * 40});
  }
  result.scores = scores;
  RequireReadable<tfs::ClassificationResponse>(EncodeClassificationResponse(id, "s", result, 0));
  result.labels = labels;
  RequireReadable<tfs::ClassificationResponse>(EncodeClassificationResponse(id, "s", result, 0));
  const predict::TaskResult results[] = {{"a", result}, {"b", predict::Regressions{scores}}};
  RequireReadable<tfs::MultiInferenceResponse>(EncodeMultiInferenceResponse(id, results, 0));
}

}  // namespace
}  // namespace baton::codec::grpc

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);  // it says much about bytes that are no UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace codec = baton::codec::grpc;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const baton::base::Buffer message = baton::base::Buffer::Copy(bytes);
  codec::CheckRequest<tensorflow::serving::ClassificationRequest>(
      codec::ParseClassificationRequest(message.view()), message);
  codec::CheckRequest<tensorflow::serving::RegressionRequest>(
      codec::ParseRegressionRequest(message.view()), message);
  codec::CheckMultiInference(message);
  codec::CheckAnswers(bytes);
  return 0;
}
