#include "saved_model_config.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "tensorflow/core/protobuf/config.pb.h"  // brings UnknownFieldSet of TensorFlow's protobuf

namespace baton::tf_engine {
namespace {

namespace fs = std::filesystem;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr uintmax_t kMaxBytes = 16 << 20;

sdk::Status Malformed(const fs::path& file) {
  return {sdk::Code::kInvalidArgument, "cannot parse " + file.string()};
}

// The fields of a message that TensorFlow's libraries have no schema for.
bool Parse(const std::string& bytes, UnknownFieldSet* fields) {
  return fields->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// tensorflow.serving.SessionOverrides.
bool ReadOverrides(const std::string& bytes, SavedModelConfig* config) {
  UnknownFieldSet fields;
  if (!Parse(bytes, &fields)) return false;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    const bool is_message = field.type() == UnknownField::TYPE_LENGTH_DELIMITED;
    if (field.number() == 3 && field.type() == UnknownField::TYPE_VARINT) {
      config->disable_meta_optimizer = field.varint() != 0;
    } else if (field.number() == 1 && is_message) {
      config->fields_without_effect.emplace_back("remote_op_remap_config");
    } else if (field.number() == 2 && is_message) {
      config->fields_without_effect.emplace_back("batch_op_rewriter_config");
    }
  }
  return true;
}

}  // namespace

sdk::Result<SavedModelConfig> ReadSavedModelConfig(const std::string& path) {
  const fs::path file = fs::path(path) / "assets.extra" / "saved_model_config.pb";
  SavedModelConfig config;
  std::error_code error;
  if (!fs::exists(file, error)) return config;
  if (!fs::is_regular_file(file, error) || fs::file_size(file, error) > kMaxBytes || error) {
    return sdk::Status(sdk::Code::kInvalidArgument, "cannot read " + file.string());
  }
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  UnknownFieldSet fields;
  if (!Parse(bytes, &fields)) return Malformed(file);
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    if (field.number() == 1 && !ReadOverrides(std::string(field.length_delimited()), &config)) {
      return Malformed(file);
    }
    if (field.number() == 2) config.fields_without_effect.emplace_back("tfrt_runtime_config");
  }
  return config;
}

}  // namespace baton::tf_engine
