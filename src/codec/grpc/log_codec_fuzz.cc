#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "codec/grpc/log_codec.h"
#include "tensorflow_serving/apis/prediction_log.pb.h"

namespace {

namespace tfs = tensorflow::serving;
using baton::codec::grpc::LogType;

std::string Bytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream out(&bytes);
  google::protobuf::io::CodedOutputStream coded(&out);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

template <typename Request>
void ExpectSame(const Request& expected, const baton::base::Buffer& found) {
  Request request;
  BATON_CHECK(request.ParseFromArray(found.data(), static_cast<int>(found.size())));
  BATON_CHECK(Bytes(request) == Bytes(expected));
}

}  // namespace

// Finds the same request as protobuf, whatever is repeated, merged or overridden.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  const auto record = baton::base::Buffer::Copy({reinterpret_cast<const char*>(data), size});
  const auto view = baton::codec::grpc::ParsePredictionLog(record);
  tfs::PredictionLog log;
  BATON_CHECK(log.ParseFromArray(data, static_cast<int>(size)) == view.ok());
  if (!view.ok()) return 0;
  BATON_CHECK(static_cast<int>(log.log_type_case()) == static_cast<int>(view->type));
  switch (view->type) {
    case LogType::kClassify:
      ExpectSame(log.classify_log().request(), view->request);
      break;
    case LogType::kRegress:
      ExpectSame(log.regress_log().request(), view->request);
      break;
    case LogType::kMultiInference:
      ExpectSame(log.multi_inference_log().request(), view->request);
      break;
    case LogType::kSessionRun:
      ExpectSame(log.session_run_log().request(), view->request);
      break;
    case LogType::kPredict:
      ExpectSame(log.predict_log().request(), view->request);
      break;
    case LogType::kPredictStreamed:  // repeats its requests, and nobody replays them
    case LogType::kNone:
      break;
  }
  return 0;
}
