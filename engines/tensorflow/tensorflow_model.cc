#include "tensorflow_model.h"

#include <malloc.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "cpu_allocator.h"
#include "saved_model_files.h"
#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/protobuf/config.pb.h"
#include "tensorflow/core/public/session_options.h"
#include "tensorflow_instance.h"
#include "tf_status.h"

namespace baton::tf_engine {
namespace {

namespace tf = tensorflow;

uint64_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd + TensorBytesInUse();
}

// What a load took of the heap. Other threads allocate meanwhile, so it is kept between what must
// be there, the variables, and what was reserved.
uint64_t MeasuredBytes(uint64_t before, uint64_t after, const ModelFiles& files) {
  return std::clamp(after > before ? after - before : 0, files.variables_bytes,
                    EstimatedBytes(files));
}

}  // namespace

sdk::Result<std::unique_ptr<sdk::Model>> TensorflowModel::Load(const std::string& path,
                                                               const std::vector<std::string>& tags,
                                                               const SessionSettings& settings) {
  if (IsSessionBundle(path)) {
    return sdk::Status(sdk::Code::kUnimplemented, "Session Bundle is deprecated and removed.");
  }
  if (!HasSavedModel(path)) {
    return sdk::Status(
        sdk::Code::kNotFound,
        "Specified file path does not appear to contain a SavedModel bundle (should have a file "
        "called `saved_model.pb`)\nSpecified file path: " +
            path);
  }
  const uint64_t heap_before = HeapBytes();
  tf::SavedModelBundle bundle;
  tf::SessionOptions session;
  session.config = settings.config;
  const absl::Status status =
      tf::LoadSavedModel(session, tf::RunOptions(), path, {tags.begin(), tags.end()}, &bundle);
  if (!status.ok()) return FromTf(status);

  std::unique_ptr<TensorflowModel> model(new TensorflowModel);
  const SignatureMap& map = bundle.meta_graph_def.signature_def();
  sdk::Result<std::vector<ServedSignature>> signatures =
      ServedSignatures(map, GraphNodes(bundle.meta_graph_def.graph_def()));
  if (!signatures.ok()) return signatures.status();
  model->signatures_ = std::move(*signatures);
  std::vector<sdk::Signature> described = DescribedSignatures(map);
  std::string serialized = SerializeSignatureDefMap(map);
  bundle.meta_graph_def.Clear();  // holds all constants of the graph once more
  sdk::Result<ModelFiles> files = MeasureFiles(path);
  const uint64_t bytes = files.ok() ? MeasuredBytes(heap_before, HeapBytes(), *files) : 0;
  model->description_ =
      std::make_unique<sdk::Description>(std::move(described), bytes, std::move(serialized));
  model->session_ = std::move(bundle.session);
  model->intra_op_threads_ = settings.intra_op_threads;
  model->callables_ = std::make_unique<Callables>(model->session_.get(), model->signatures_,
                                                  settings.uses_inter_op_pool);
  return std::unique_ptr<sdk::Model>(std::move(model));
}

TensorflowModel::~TensorflowModel() {
  callables_.reset();
  // A session does not close itself, and resources of its graph would stay.
  if (session_ != nullptr) session_->Close().IgnoreError();
  session_.reset();
  signatures_.clear();
  ReturnFreeTensorMemory();
}

sdk::Result<std::unique_ptr<sdk::Instance>> TensorflowModel::NewInstance() {
  return std::unique_ptr<sdk::Instance>(new TensorflowInstance(this));
}

}  // namespace baton::tf_engine
