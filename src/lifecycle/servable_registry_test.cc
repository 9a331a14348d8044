#include "lifecycle/servable_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lifecycle/state_monitor.h"
#include "testing/fake_factory.h"

namespace baton::lifecycle {
namespace {

using baton::testing::MakeFakeServable;
using ::testing::ElementsAre;

std::shared_ptr<Servable> Make(const std::string& name, int64_t version, bool* is_dead = nullptr) {
  return MakeFakeServable({name, version}, [is_dead] {
    if (is_dead != nullptr) *is_dead = true;
  });
}

Catalog TwoVersions() {
  Catalog catalog;
  catalog.models["m"] = {{2, Make("m", 2)}, {10, Make("m", 10)}};
  catalog.models["zero"] = {{0, Make("zero", 0)}, {-5, Make("zero", -5)}};
  catalog.models["empty"] = {};
  catalog.labels["m"] = {{"stable", 2}, {"gone", 7}};
  catalog.labels["unloaded"] = {{"stable", 1}};
  catalog.labels_ready = true;
  return catalog;
}

TEST(ServableRegistryTest, ResolvesAsTheContractsTableSays) {
  ServableRegistry registry;
  registry.Publish(TwoVersions());
  struct Row {
    predict::ModelSpec spec;
    absl::Status error;
    int64_t version = 0;
  };
  const auto by_version = [](std::string_view name, int64_t version) {
    return predict::ModelSpec{name, version, std::nullopt, {}};
  };
  const auto by_label = [](std::string_view name, std::string_view label) {
    return predict::ModelSpec{name, std::nullopt, label, {}};
  };
  const auto by_name = [](std::string_view name) {
    return predict::ModelSpec{name, std::nullopt, std::nullopt, {}};
  };
  const Row kRows[] = {
      {by_name("m"), {}, 10},
      {by_version("m", 2), {}, 2},
      {by_version("m", 10), {}, 10},
      {by_label("m", "stable"), {}, 2},
      {by_name("zero"), {}, 0},
      {by_version("zero", 0), {}, 0},
      {by_version("zero", -5), {}, -5},
      {by_name(""), absl::InvalidArgumentError("ModelSpec has no name specified.")},
      {by_name("x"), absl::NotFoundError("Servable not found for request: Latest(x)")},
      {by_name("empty"), absl::NotFoundError("Servable not found for request: Latest(empty)")},
      {by_version("m", 3), absl::NotFoundError("Servable not found for request: Specific(m, 3)")},
      {by_version("m", 99), absl::NotFoundError("Servable not found for request: Specific(m, 99)")},
      {by_version("x", 0), absl::NotFoundError("Servable not found for request: Specific(x, 0)")},
      {by_label("m", "canary"),
       absl::InvalidArgumentError("Unrecognized servable version label: canary")},
      {by_label("x", "stable"),
       absl::InvalidArgumentError("Unrecognized servable version label: stable")},
      {by_label("m", ""), absl::InvalidArgumentError("Unrecognized servable version label: ")},
      {by_label("m", "gone"),
       absl::NotFoundError("Servable not found for request: Specific(m, 7)")},
      {by_label("unloaded", "stable"),
       absl::NotFoundError("Servable not found for request: Specific(unloaded, 1)")},
  };
  for (const Row& row : kRows) {
    const absl::StatusOr<ServableHandle> handle = registry.Resolve(row.spec);
    EXPECT_EQ(handle.status(), row.error);
    if (row.error.ok() && handle.ok()) {
      EXPECT_EQ((*handle)->id(), (ServableId{std::string(row.spec.name), row.version}));
    }
  }
}

TEST(ServableRegistryTest, LabelsAreUnavailableBeforeTheFirstConfiguration) {
  ServableRegistry registry;
  EXPECT_EQ(registry.Resolve({"m", std::nullopt, "stable", {}}).status(),
            absl::UnavailableError("Model labels does not init yet.stable"));
  EXPECT_TRUE(registry.List().empty());
}

TEST(ServableRegistryTest, LeaseOutlivesThePublicationThatDropsIt) {
  ServableRegistry registry;
  bool is_dead = false;
  Catalog catalog;
  catalog.models["m"][1] = Make("m", 1, &is_dead);
  registry.Publish(catalog);
  catalog.models.clear();
  ServableHandle handle = *registry.Resolve({"m", std::nullopt, std::nullopt, {}});
  registry.Publish(catalog);
  EXPECT_FALSE(registry.Resolve({"m", std::nullopt, std::nullopt, {}}).ok());
  EXPECT_FALSE(is_dead);
  EXPECT_EQ(handle->id().version, 1);
  handle.reset();
  EXPECT_TRUE(is_dead);
}

TEST(ServableRegistryTest, RequestsDoNotTouchTheSharedReferenceCount) {
  ServableRegistry registry;
  Catalog catalog;
  const std::shared_ptr<Servable> servable = Make("m", 1);
  catalog.models["m"][1] = servable;
  registry.Publish(catalog);
  const long count = servable.use_count();
  const ServableHandle first = *registry.Resolve({"m", std::nullopt, std::nullopt, {}});
  const ServableHandle second = *registry.Resolve({"m", 1, std::nullopt, {}});
  EXPECT_EQ(servable.use_count(), count);
  EXPECT_EQ(first.get(), servable.get());
}

TEST(ServableRegistryTest, ListsEverythingInOrder) {
  ServableRegistry registry;
  registry.Publish(TwoVersions());
  EXPECT_THAT(registry.List(), ElementsAre(ServableId{"m", 2}, ServableId{"m", 10},
                                           ServableId{"zero", -5}, ServableId{"zero", 0}));
}

TEST(StateMonitorTest, RemembersTheLatestStateOfEveryVersion) {
  StateMonitor monitor;
  std::vector<std::string> heard;
  monitor.AddListener([&](const ServableId& id, const VersionStatus& status) {
    heard.push_back(id.DebugString() + " " + std::string(Name(status.state)));
  });
  monitor.Update({"m", 2}, VersionState::kStart);
  monitor.Update({"m", 10}, VersionState::kAvailable);
  monitor.Update({"m", 2}, VersionState::kEnd, absl::OutOfRangeError("cut"));
  EXPECT_THAT(heard, ElementsAre("{name: m version: 2} START", "{name: m version: 10} AVAILABLE",
                                 "{name: m version: 2} END"));

  const auto all = monitor.Get("m", std::nullopt);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->at(0).version, 10) << "descending";
  EXPECT_EQ(all->at(1).status, absl::OutOfRangeError("cut"));
  EXPECT_EQ(monitor.Get("m", 2)->front().state, VersionState::kEnd);
  EXPECT_EQ(monitor.All().size(), 1u);
  EXPECT_EQ(monitor.Get("m", 3).status(),
            absl::NotFoundError("Could not find version 3 of model m"));
  EXPECT_EQ(monitor.Get("x", 3).status(),
            absl::NotFoundError("Could not find version 3 of model x"));
  EXPECT_EQ(monitor.Get("", std::nullopt).status(),
            absl::NotFoundError("Could not find any versions of model "));
}

}  // namespace
}  // namespace baton::lifecycle
