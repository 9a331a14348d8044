#include "lite_rt.h"

#include <dlfcn.h>

#include <cstring>
#include <string>

namespace baton::tflite_engine::lite {
namespace {

constexpr char kLibrary[] = "libLiteRt.so";

struct Entry {
  const char* name;
  void* slot;  // a function pointer
};

sdk::Result<const Functions*> LoadOnce() {
  // Looked for where this plug-in's RUNPATH says.
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return sdk::Status(sdk::Code::kFailedPrecondition,
                       std::string("cannot load the TFLite runtime: ") + dlerror());
  }
  static Functions functions;
  const char* missing = nullptr;
  const Entry entries[] = {
      {"LiteRtCreateEnvironment", &functions.CreateEnvironment},
      {"LiteRtCreateAccelerator", &functions.CreateAccelerator},
      {"LiteRtSetAcceleratorGetName", &functions.SetAcceleratorGetName},
      {"LiteRtSetAcceleratorGetVersion", &functions.SetAcceleratorGetVersion},
      {"LiteRtSetAcceleratorGetHardwareSupport", &functions.SetAcceleratorGetHardwareSupport},
      {"LiteRtSetIsAcceleratorDelegateResponsibleForJitCompilation",
       &functions.SetIsAcceleratorDelegateResponsibleForJitCompilation},
      {"LiteRtSetDelegateFunction", &functions.SetDelegateFunction},
      {"LiteRtRegisterAccelerator", &functions.RegisterAccelerator},
      {"LiteRtWrapDelegate", &functions.WrapDelegate},
      {"LiteRtCreateOptions", &functions.CreateOptions},
      {"LiteRtDestroyOptions", &functions.DestroyOptions},
      {"LiteRtSetOptionsHardwareAccelerators", &functions.SetOptionsHardwareAccelerators},
      {"LiteRtCreateOpaqueOptions", &functions.CreateOpaqueOptions},
      {"LiteRtAddOpaqueOptions", &functions.AddOpaqueOptions},
      {"LiteRtCreateModelFromBuffer", &functions.CreateModelFromBuffer},
      {"LiteRtDestroyModel", &functions.DestroyModel},
      {"LiteRtCreateCompiledModel", &functions.CreateCompiledModel},
      {"LiteRtDestroyCompiledModel", &functions.DestroyCompiledModel},
      {"LiteRtCompiledModelResizeInputTensorNonStrict",
       &functions.CompiledModelResizeInputTensorNonStrict},
      {"LiteRtGetCompiledModelOutputTensorLayouts", &functions.GetCompiledModelOutputTensorLayouts},
      {"LiteRtRunCompiledModel", &functions.RunCompiledModel},
      {"LiteRtSetCompiledModelCancellationFunction",
       &functions.SetCompiledModelCancellationFunction},
      {"LiteRtCompiledModelClearErrors", &functions.CompiledModelClearErrors},
      {"LiteRtCreateTensorBufferFromHostMemory", &functions.CreateTensorBufferFromHostMemory},
      {"LiteRtDestroyTensorBuffer", &functions.DestroyTensorBuffer},
  };
  for (const Entry& entry : entries) {
    void* found = dlsym(library, entry.name);
    if (found == nullptr) missing = entry.name;
    std::memcpy(entry.slot, &found, sizeof(found));
  }
  if (missing != nullptr) {
    return sdk::Status(
        sdk::Code::kFailedPrecondition,
        std::string(kLibrary) + " is not that of ai-edge-litert 2.3: it has no " + missing);
  }
  return &functions;
}

}  // namespace

sdk::Result<const Functions*> Load() {
  static sdk::Result<const Functions*>& loaded = *new sdk::Result<const Functions*>(LoadOnce());
  return loaded;
}

}  // namespace baton::tflite_engine::lite
