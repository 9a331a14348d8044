// The pure decisions of lifecycle/, as tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lifecycle/config_checks.h"
#include "lifecycle/transition_policy.h"
#include "lifecycle/version_policy.h"

namespace baton::lifecycle {
namespace {

using ::testing::ElementsAreArray;

using Numbers = std::vector<int64_t>;

TEST(VersionPolicyTest, SelectsAsTheContractsTableSays) {
  struct Row {
    const char* what;
    VersionPolicy policy;
    Numbers found;
    Numbers selected;
    Numbers missing;
  };
  const Row kRows[] = {
      {"latest is the highest number", LatestVersions{}, {1, 10, 2}, {10}, {}},
      {"latest 0 is latest 1", LatestVersions{0}, {1, 2}, {2}, {}},
      {"latest 2", LatestVersions{2}, {5, 1, 3}, {3, 5}, {}},
      {"latest more than there are", LatestVersions{9}, {2, 1}, {1, 2}, {}},
      {"latest of nothing", LatestVersions{}, {}, {}, {}},
      {"negative numbers are versions", LatestVersions{}, {-3, -7}, {-3}, {}},
      {"zero is a version", LatestVersions{}, {0}, {0}, {}},
      {"all", AllVersions{}, {3, 1, 2}, {1, 2, 3}, {}},
      {"all of nothing", AllVersions{}, {}, {}, {}},
      {"specific", SpecificVersions{{1, 3}}, {1, 2, 3}, {1, 3}, {}},
      {"specific in any order, twice", SpecificVersions{{3, 1, 3}}, {1, 2, 3}, {1, 3}, {}},
      {"specific, some missing", SpecificVersions{{1, 77}}, {1, 2}, {1}, {77}},
      {"specific, all missing", SpecificVersions{{77}}, {1, 2}, {}, {77}},
      {"specific, none asked for", SpecificVersions{}, {1, 2}, {}, {}},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.what);
    Numbers missing;
    EXPECT_THAT(SelectVersions(row.policy, row.found, &missing), ElementsAreArray(row.selected));
    EXPECT_THAT(missing, ElementsAreArray(row.missing));
    EXPECT_THAT(SelectVersions(row.policy, row.found), ElementsAreArray(row.selected));
  }
}

using Phase = VersionSnapshot::Phase;

TransitionAction Load(int64_t version) { return {TransitionAction::Kind::kLoad, version}; }
TransitionAction Unload(int64_t version) { return {TransitionAction::Kind::kUnload, version}; }

TEST(TransitionPolicyTest, PreservesAvailability) {
  constexpr bool kDesired = true;
  constexpr bool kNot = false;
  struct Row {
    const char* what;
    std::vector<VersionSnapshot> versions;
    std::optional<TransitionAction> action;
  };
  const Row kRows[] = {
      {"nothing known", {}, {}},
      {"the first version is loaded", {{1, kDesired, Phase::kNew}}, Load(1)},
      {"the highest is loaded first",
       {{1, kDesired, Phase::kNew}, {3, kDesired, Phase::kNew}, {2, kDesired, Phase::kNew}},
       Load(3)},
      {"a load in progress does not hold up the next",
       {{1, kDesired, Phase::kNew}, {3, kDesired, Phase::kLoading}},
       Load(1)},
      {"loading: nothing to do", {{1, kDesired, Phase::kLoading}}, {}},
      {"ready: nothing to do", {{1, kDesired, Phase::kReady}}, {}},
      {"failed: not tried again", {{1, kDesired, Phase::kFailed}}, {}},
      {"unloading but desired again: waits", {{1, kDesired, Phase::kUnloading}}, {}},
      {"the old one serves while the new one waits",
       {{1, kNot, Phase::kReady}, {2, kDesired, Phase::kNew}},
       Load(2)},
      {"the old one serves while the new one loads",
       {{1, kNot, Phase::kReady}, {2, kDesired, Phase::kLoading}},
       {}},
      {"the old one goes once the new one is ready",
       {{1, kNot, Phase::kReady}, {2, kDesired, Phase::kReady}},
       Unload(1)},
      {"the old one stays if the new one failed",
       {{1, kNot, Phase::kReady}, {2, kDesired, Phase::kFailed}},
       {}},
      {"back to a smaller number works the same",
       {{1, kDesired, Phase::kReady}, {2, kNot, Phase::kReady}},
       Unload(2)},
      {"nothing desired: everything goes, the lowest first",
       {{2, kNot, Phase::kReady}, {1, kNot, Phase::kReady}},
       Unload(1)},
      {"nothing desired: the last one goes", {{1, kNot, Phase::kReady}}, Unload(1)},
      {"of two old ones one is enough, the higher stays",
       {{1, kNot, Phase::kReady}, {2, kNot, Phase::kReady}, {3, kDesired, Phase::kLoading}},
       Unload(1)},
      {"unloads come before loads",
       {{1, kNot, Phase::kReady}, {2, kDesired, Phase::kReady}, {3, kDesired, Phase::kNew}},
       Unload(1)},
      {"of two old ones one goes before the new one is loaded",
       {{1, kNot, Phase::kReady}, {2, kNot, Phase::kReady}, {3, kDesired, Phase::kNew}},
       Unload(1)},
      {"what is not desired is not loaded", {{1, kNot, Phase::kNew}}, {}},
      {"what loads or unloads already is left alone",
       {{1, kNot, Phase::kLoading}, {2, kNot, Phase::kUnloading}, {3, kNot, Phase::kFailed}},
       {}},
  };
  for (const Row& row : kRows) EXPECT_EQ(NextTransition(row.versions), row.action) << row.what;
}

ModelConfig At(std::string name, std::string base_path) {
  ModelConfig config;
  config.name = std::move(name);
  config.base_path = std::move(base_path);
  return config;
}

TEST(ConfigChecksTest, NamesAndPaths) {
  struct Row {
    ModelConfigs configs;
    std::string_view error;
  };
  const Row kRows[] = {
      {{}, ""},
      {{At("a", "/a"), At("b", "gs://bucket/b")}, ""},
      {{At("", "/a")}, ""},
      {{At("q", "/a"), At("q", "/b")}, "Illegal to list model q multiple times in config list"},
      {{At("q", "rel"), At("q", "/b")}, "Illegal to list model q multiple times in config list"},
      {{At("q", "models/half_plus_two")},
       "Expected model q to have an absolute path or URI; got base_path()=models/half_plus_two"},
      {{At("q", "/ok"), At("r", "rel")},
       "Expected model r to have an absolute path or URI; got base_path()=rel"},
      {{At("q", "")}, "Expected model q to have an absolute path or URI; got base_path()="},
      {{At("q", "a b://x")},
       "Expected model q to have an absolute path or URI; got base_path()=a b://x"},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(
        CheckNamesAndPaths(row.configs),
        row.error.empty() ? absl::OkStatus() : absl::InvalidArgumentError(std::string(row.error)));
  }
}

TEST(ConfigChecksTest, Platforms) {
  using TypeField = ModelConfig::TypeField;
  const auto model = [](std::string platform, TypeField type = TypeField::kUnset, int number = 0) {
    ModelConfig config;
    config.name = "q";
    config.base_path = "/q";
    config.platform = std::move(platform);
    config.type_field = type;
    config.type_number = number;
    return config;
  };
  struct Row {
    ModelConfig config;
    std::string_view error;
  };
  const Row kRows[] = {
      {model("tensorflow"), ""},
      {model("", TypeField::kTensorflow), ""},
      {model(""),
       "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
       "ModelServerConfig::model_platform, model name is q"},
      {model("tensorflow", TypeField::kTensorflow),
       "Illegal setting both ModelServerConfig::model_type (deprecated) and "
       "ModelServerConfig::model_platform, model name is q"},
      {model("", TypeField::kOther, 2), "ModelServerConfig::model_type choice 2 not supported."},
      {model("zz"), "Model q requests unsupported platform zz"},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(CheckPlatformsKnown({row.config}, {"tensorflow"}).message(),
              absl::string_view(row.error.data(), row.error.size()));
  }
  EXPECT_TRUE(CheckPlatformsKept({}, {model("zz")}).ok()) << "a new name is not this check's";
  EXPECT_TRUE(CheckPlatformsKept({model("zz")}, {}).ok());
  EXPECT_TRUE(CheckPlatformsKept({model("tensorflow")}, {model("", TypeField::kTensorflow)}).ok());
  EXPECT_EQ(CheckPlatformsKept({model("tensorflow")}, {model("other")}),
            absl::InvalidArgumentError(
                "Illegal to change a model's platform. For model q platform was tensorflow and new "
                "platform requested is other"));
}

}  // namespace
}  // namespace baton::lifecycle
