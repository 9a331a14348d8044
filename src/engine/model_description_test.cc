#include "engine/model_description.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

baton_str Str(std::string_view text) { return {text.data(), text.size()}; }

// A description with signatures "s" and "b"; every pointer can be spoiled.
struct Fixture {
  int64_t dims[2] = {-1, 3};
  baton_port z = {sizeof(baton_port), Str("z"), Str("z:0"), 1, 2, dims, 0, 0};
  baton_port a = {sizeof(baton_port), Str("a"), Str("a:0"), 7, -1, nullptr, 1, 0};
  const baton_port* ports[2] = {&z, &a};
  baton_signature s = {sizeof(baton_signature), Str("s"), Str("predict"), ports, ports, 2, 1};
  baton_signature b = {sizeof(baton_signature), Str("b"), Str(""), nullptr, ports, 0, 2};
  const baton_signature* signatures[2] = {&s, &b};
  baton_model_description model = {
      sizeof(baton_model_description), signatures, 2, 4, 1000, Str("map")};
};

TEST(ModelDescriptionTest, SortsAndRemembersThePluginsNumbers) {
  const Fixture f;
  const absl::StatusOr<ModelDescription> model = ReadDescription(&f.model);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->memory_bytes, 1000u);
  EXPECT_EQ(model->max_instances, 4u);
  EXPECT_EQ(model->signature_def_map, "map");
  const Signature* s = model->signatures.Find("s");
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->index, 1u);
  EXPECT_EQ(s->method_name, "predict");
  EXPECT_EQ(s->inputs[0].name, "a");
  EXPECT_TRUE(s->inputs[0].has_default);
  EXPECT_TRUE(s->inputs[0].shape.unknown_rank);
  EXPECT_EQ(s->inputs[1].tensor_name, "z:0");
  EXPECT_THAT(s->inputs[1].shape.dims, ElementsAre(-1, 3));
  EXPECT_EQ(model->engine_ports[s->index].signature, 0u);
  EXPECT_THAT(model->engine_ports[s->index].inputs, ElementsAre(1, 0));
  EXPECT_THAT(model->engine_ports[s->index].outputs, ElementsAre(0));
}

TEST(ModelDescriptionTest, GarbageIsRefused) {
  struct Case {
    const char* name;
    void (*spoil)(Fixture&);
  };
  const Case cases[] = {
      {"short struct", [](Fixture& f) { f.model.struct_size = 8; }},
      {"count", [](Fixture& f) { f.model.num_signatures = UINT32_MAX; }},
      {"no signatures", [](Fixture& f) { f.model.signatures = nullptr; }},
      {"null signature", [](Fixture& f) { f.signatures[1] = nullptr; }},
      {"short signature", [](Fixture& f) { f.b.struct_size = 1; }},
      {"twice the same signature", [](Fixture& f) { f.signatures[1] = &f.s; }},
      {"ports", [](Fixture& f) { f.s.num_inputs = UINT32_MAX; }},
      {"no ports", [](Fixture& f) { f.s.inputs = nullptr; }},
      {"null port", [](Fixture& f) { f.ports[0] = nullptr; }},
      {"short port", [](Fixture& f) { f.z.struct_size = 8; }},
      {"twice the same port", [](Fixture& f) { f.ports[1] = &f.z; }},
      {"rank", [](Fixture& f) { f.z.rank = INT32_MAX; }},
      {"no dims", [](Fixture& f) { f.z.dims = nullptr; }},
      {"name without bytes",
       [](Fixture& f) {
         f.z.name = {nullptr, 3};
       }},
      {"endless name", [](Fixture& f) { f.s.name.size = SIZE_MAX; }},
      {"endless map", [](Fixture& f) { f.model.signature_def_map.size = SIZE_MAX; }},
  };
  for (const Case& c : cases) {
    Fixture f;
    c.spoil(f);
    const absl::Status status = ReadDescription(&f.model).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << c.name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("description is broken")) << c.name;
  }
  EXPECT_FALSE(ReadDescription(nullptr).ok());
}

}  // namespace
}  // namespace baton::engine
