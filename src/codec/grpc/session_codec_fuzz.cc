// Whatever protobuf takes for a SessionRunRequest we take too, with the same names, and the other
// way round; no feed is read out of bounds.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec/grpc/session_codec.h"
#include "tensorflow_serving/apis/session_service.pb.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace baton::codec::grpc;  // NOLINT(google-build-using-namespace): a fuzz target
  const baton::base::Buffer message =
      baton::base::Buffer::Copy({reinterpret_cast<const char*>(data), size});
  const auto view = ParseSessionRunRequest(message.view());
  if (!view.ok()) return 0;
  tensorflow::serving::SessionRunRequest request;
  if (request.ParseFromArray(data, static_cast<int>(size))) {
    Require(static_cast<size_t>(request.feed_size()) == view->feeds.size());
    for (int i = 0; i < request.feed_size(); ++i) {
      Require(request.feed(i).name() == view->feeds[static_cast<size_t>(i)].name);
    }
    Require(static_cast<size_t>(request.fetch_size()) == view->fetches.size());
    Require(request.tensor_name_is_alias() == view->names_are_aliases);
  }
  const auto feeds = ReadFeeds(*view, message);
  if (feeds.ok()) Require(feeds->size() == view->feeds.size());
  return 0;
}
