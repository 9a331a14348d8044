// The text files that flags name: any bytes are read or refused, never more.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"
#include "codec/grpc/model_codec.h"
#include "codec/grpc/text_proto.h"
#include "tensorflow_serving/config/monitoring_config.pb.h"
#include "tensorflow_serving/config/platform_config.pb.h"
#include "tensorflow_serving/config/ssl_config.pb.h"
#include "tensorflow_serving/servables/tensorflow/session_bundle_config.pb.h"

namespace {

template <typename Message>
void Parse(const std::string& text) {
  Message message;
  (void)baton::codec::grpc::ParseTextProto("fuzz", text, &message);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // Every refusal is a line in the log.
  baton::base::SetMinSeverity(static_cast<baton::base::Severity>(100));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      (void)baton::codec::grpc::ParseModelConfigText("fuzz", text);
      break;
    case 1:
      Parse<tensorflow::serving::BatchingParameters>(text);
      break;
    case 2:
      Parse<tensorflow::serving::SSLConfig>(text);
      break;
    case 3:
      Parse<tensorflow::serving::MonitoringConfig>(text);
      break;
    case 4:
      Parse<tensorflow::serving::PlatformConfigMap>(text);
      break;
    case 5:
      Parse<tensorflow::ConfigProto>(text);
      break;
  }
  return 0;
}
