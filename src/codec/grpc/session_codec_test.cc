#include "codec/grpc/session_codec.h"

#include <google/protobuf/text_format.h>

#include <string>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tensorflow_serving/apis/session_service.pb.h"

namespace baton::codec::grpc {
namespace {

namespace tfs = tensorflow::serving;
using ::testing::ElementsAre;

std::string Request(const char* text) {
  tfs::SessionRunRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request.SerializeAsString();
}

TEST(SessionCodecTest, ReadsEveryFieldThatHasAnEffect) {
  const base::Buffer message = base::Buffer::FromString(Request(R"pb(
    model_spec {
      name: "m"
      version { value: 7 }
      signature_name: "s"
    }
    feed {
      name: "x:0"
      tensor {
        dtype: DT_FLOAT
        tensor_shape { dim { size: 2 } }
        float_val: 1
        float_val: 2
      }
    }
    feed {
      name: "n"
      tensor { dtype: DT_INT64 int64_val: 5 }
    }
    fetch: "y:0"
    fetch: "z"
    target: "init"
    options { timeout_in_ms: 250 trace_level: FULL_TRACE }
    tensor_name_is_alias: true
  )pb"));
  const auto view = ParseSessionRunRequest(message.view());
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->spec->name, "m");
  EXPECT_EQ(view->spec->version, 7);
  EXPECT_EQ(view->spec->signature_name, "s");
  EXPECT_THAT(view->fetches, ElementsAre("y:0", "z"));
  EXPECT_THAT(view->targets, ElementsAre("init"));
  EXPECT_EQ(view->timeout, absl::Milliseconds(250));
  EXPECT_TRUE(view->wants_trace);
  EXPECT_TRUE(view->names_are_aliases);
  const auto feeds = ReadFeeds(*view, message);
  ASSERT_TRUE(feeds.ok());
  EXPECT_THAT((*feeds)[0].values<float>(), ElementsAre(1, 2));
  EXPECT_THAT((*feeds)[1].values<int64_t>(), ElementsAre(5));
}

TEST(SessionCodecTest, AnEmptyRequestAsksForNothing) {
  const auto view = ParseSessionRunRequest("");
  ASSERT_TRUE(view.ok());
  EXPECT_FALSE(view->spec);
  EXPECT_FALSE(view->wants_trace);
  EXPECT_EQ(view->timeout, absl::InfiniteDuration());
}

TEST(SessionCodecTest, NamesTheFeedThatCannotBeRead) {
  const base::Buffer message =
      base::Buffer::FromString(Request(R"pb(feed {
                                              name: "bad"
                                              tensor { tensor_shape { dim { size: -1 } } }
                                            })pb"));
  const auto view = ParseSessionRunRequest(message.view());
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(base::Message(ReadFeeds(*view, message).status()), "tensor parsing error: bad");
}

TEST(SessionCodecTest, RefusesWhatIsNoRequest) {
  const std::string whole = Request(R"pb(
    model_spec { name: "m" }
    feed {
      name: "x:0"
      tensor { dtype: DT_FLOAT float_val: 1 }
    }
    fetch: "y:0"
    options { timeout_in_ms: 250 }
  )pb");
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    tfs::SessionRunRequest request;
    EXPECT_EQ(ParseSessionRunRequest(whole.substr(0, cut)).ok(),
              request.ParseFromString(whole.substr(0, cut)))
        << cut;
  }
  EXPECT_FALSE(ParseSessionRunRequest("\x1a\x02\xff\xfe").ok());  // a fetch that is no UTF-8
}

TEST(SessionCodecTest, WritesWhatProtobufReads) {
  const float values[] = {1.5f, 2.5f};
  predict::PredictResponse answer;
  answer.outputs.push_back(
      tensor::Tensor::FromValues<float>(tensor::DType::kFloat, tensor::Shape({2}), values));
  const std::string_view text[] = {"a"};
  answer.outputs.push_back(tensor::Tensor::FromStrings(tensor::Shape({1}), text));
  tfs::SessionRunResponse response;
  ASSERT_TRUE(response.ParseFromString(
      *EncodeSessionRunResponse({.name = "m", .version = 3}, "s", {"y:0", "t"}, answer)));
  ASSERT_EQ(response.tensor_size(), 2);
  EXPECT_EQ(response.tensor(0).name(), "y:0");
  EXPECT_THAT(response.tensor(0).tensor().float_val(), ElementsAre(1.5f, 2.5f));
  EXPECT_EQ(response.tensor(1).name(), "t");
  EXPECT_THAT(response.tensor(1).tensor().string_val(), ElementsAre("a"));
  EXPECT_EQ(response.model_spec().name(), "m");
  EXPECT_EQ(response.model_spec().version().value(), 3);
  EXPECT_EQ(response.model_spec().signature_name(), "s");
}

}  // namespace
}  // namespace baton::codec::grpc
