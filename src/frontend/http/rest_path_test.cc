#include "frontend/http/rest_path.h"

#include "gtest/gtest.h"

namespace baton::frontend::http {
namespace {

using Kind = RestPath::Kind;

struct Row {
  const char* method;
  const char* target;
  Kind kind;
  const char* name = "";
  int64_t version = -1;         // -1: none
  const char* label = nullptr;  // nullptr: none
  const char* verb = "";
};

TEST(RestPathTest, GrammarOfTheContract) {
  const Row rows[] = {
      {"POST", "/v1/models/m:predict", Kind::kInference, "m", -1, nullptr, "predict"},
      {"POST", "/v1/models/m:classify", Kind::kInference, "m", -1, nullptr, "classify"},
      {"POST", "/v1/models/m/versions/12:predict", Kind::kInference, "m", 12, nullptr, "predict"},
      {"POST", "/v1/models/m/versions/00012:predict", Kind::kInference, "m", 12, nullptr,
       "predict"},
      {"POST", "/v1/models/m/labels/stable:regress", Kind::kInference, "m", -1, "stable",
       "regress"},
      {"POST", "/V1/MODELS/m:predict", Kind::kInference, "m", -1, nullptr, "predict"},
      {"POST", "/V1/Models/m:PREDICT", Kind::kMalformed},
      {"POST", "/v1/models/m:Predict", Kind::kMalformed},
      {"POST", "/v1/models/m:generate", Kind::kMalformed},
      {"POST", "/v1/models/m:predict/", Kind::kMalformed},
      {"POST", "/v1/models/m:predict?x=1", Kind::kMalformed},
      {"POST", "/v1/models/m?x:predict", Kind::kInference, "m?x", -1, nullptr, "predict"},
      {"POST", "/v1/models/m%3Apredict", Kind::kMalformed},
      {"POST", "/v1/models/:predict", Kind::kMalformed},
      {"POST", "/v1/models", Kind::kMalformed},
      {"POST", "/v1/models/m/versions/1/labels/x:predict", Kind::kMalformed},
      {"POST", "/v1/models/m/versions/-1:predict", Kind::kMalformed},
      {"POST", "/v1/models/m/metadata", Kind::kMalformed},
      {"POST", "/v1/models/m/versions/9223372036854775808:predict", Kind::kVersionTooLarge},
      {"POST", "/v1/models/a%2Fb%3a+c%zz:predict", Kind::kInference, "a/b:+c%zz", -1, nullptr,
       "predict"},
      {"GET", "/v1/models/m", Kind::kStatus, "m"},
      {"GET", "/v1/models/m?x=1", Kind::kStatus, "m?x=1"},
      {"GET", "/v1/models/m/versions/9223372036854775807", Kind::kStatus, "m", INT64_MAX},
      {"GET", "/v1/models/m/versions/18446744073709551615", Kind::kVersionTooLarge},
      {"GET", "/v1/models/m/labels/canary", Kind::kStatus, "m", -1, "canary"},
      {"GET", "/v1/models/m/metadata", Kind::kMetadata, "m"},
      {"GET", "/v1/models/m/METADATA", Kind::kStatus, "m"},
      {"GET", "/v1/models/m/metadata?x", Kind::kMalformed},
      {"GET", "/v1/models/m/versions/1/metadata", Kind::kMetadata, "m", 1},
      {"GET", "/v1/models/metadata", Kind::kStatus, "metadata"},
      {"GET", "/v1/models", Kind::kStatus, ""},
      {"GET", "/v1/models/versions/1", Kind::kStatus, "", 1},
      {"GET", "/v1/models/labels/x", Kind::kStatus, "", -1, "x"},
      {"GET", "/v1/models/versions/1/metadata", Kind::kMetadata, "", 1},
      {"GET", "/v1/models/", Kind::kMalformed},
      {"GET", "/v1/models/m/", Kind::kMalformed},
      {"GET", "/v1/models/m:predict", Kind::kMalformed},
      {"GET", "/v1/models/m/versions/HELLO", Kind::kMalformed},
      {"GET", "/v1//models/m", Kind::kMalformed},
      {"GET", "/v1/foo", Kind::kMalformed},
      {"PUT", "/v1/models/m", Kind::kMalformed},
      {"OPTIONS", "/v1/anything", Kind::kPreflight},
      {"GET", "/v1", Kind::kNotRest},
      {"GET", "/", Kind::kNotRest},
      {"GET", "//v1/models/m", Kind::kNotRest},
      {"OPTIONS", "/v2/x", Kind::kNotRest},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.method) + " " + row.target);
    const RestPath path = ParseRestPath(row.method, row.target);
    ASSERT_EQ(path.kind, row.kind);
    if (row.kind == Kind::kMalformed || row.kind == Kind::kVersionTooLarge) continue;
    EXPECT_EQ(path.name, row.name);
    EXPECT_EQ(path.version.value_or(-1), row.version);
    EXPECT_EQ(path.label.has_value(), row.label != nullptr);
    if (row.label != nullptr) {
      EXPECT_EQ(*path.label, row.label);
    }
    EXPECT_EQ(path.verb, row.verb);
  }
}

}  // namespace
}  // namespace baton::frontend::http
