/* A plug-in of the first day, in C, straight against the frozen header: one signature "s", whose
 * output is always seven. What it does not know of a later ABI it does not touch. */
#include "engine_abi.h"

static const baton_host_api* host;
static int object; /* every handle points here: there is no state */

static const int64_t any[] = {-1};
static const int64_t one[] = {1};
static const float seven[] = {7.0f};
static const baton_port in = {sizeof in, {"x", 1}, {"x:0", 3}, 1, 1, any, 0, 0};
static const baton_port out = {sizeof out, {"y", 1}, {"y:0", 3}, 1, 1, any, 0, 0};
static const baton_port* const ins[] = {&in};
static const baton_port* const outs[] = {&out};
static const baton_signature signature = {sizeof signature, {"s", 1}, {"", 0}, ins, outs, 1, 1};
static const baton_signature* const signatures[] = {&signature};
static const baton_model_description description = {
    sizeof description, signatures, 1, 1, 1024, {"", 0}};

static baton_status* create(const baton_option* options, size_t count, baton_engine** engine) {
  (void)options;
  (void)count;
  *engine = (baton_engine*)&object;
  return NULL;
}
static baton_probe probe(baton_engine* engine, baton_str path, baton_str* reason) {
  (void)engine;
  (void)path;
  (void)reason;
  return BATON_PROBE_NO;
}
static baton_status* estimate(baton_engine* engine, baton_str path, uint64_t* bytes) {
  (void)engine;
  (void)path;
  *bytes = 1024;
  return NULL;
}
static baton_status* load(baton_engine* engine, baton_str path, const baton_option* options,
                          size_t count, baton_model** model) {
  (void)engine;
  (void)options;
  (void)count;
  if (path.size == 0) return host->status_new(5, "no path", 7);
  *model = (baton_model*)&object;
  return NULL;
}
static const baton_model_description* describe(baton_model* model) {
  (void)model;
  return &description;
}
static baton_status* instance_new(baton_model* model, baton_instance** instance) {
  *instance = (baton_instance*)model;
  return NULL;
}
static baton_status* execute(baton_instance* instance, const baton_run* run) {
  (void)instance;
  for (uint32_t i = 0; i < run->num_outputs; ++i) {
    run->outputs[i].dtype = 1;
    run->outputs[i].rank = 1;
    run->outputs[i].dims = one;
    run->outputs[i].data = seven;
    run->outputs[i].bytes = sizeof seven;
  }
  return NULL;
}
static void instance_free(baton_instance* instance) { (void)instance; }
static void unload(baton_model* model) { (void)model; }
static void destroy(baton_engine* engine) { (void)engine; }

static const baton_engine_api api = {sizeof api,
                                     BATON_ENGINE_ABI_MAJOR,
                                     BATON_ENGINE_ABI_MINOR,
                                     "v1",
                                     "1.0",
                                     create,
                                     probe,
                                     estimate,
                                     load,
                                     describe,
                                     instance_new,
                                     execute,
                                     instance_free,
                                     unload,
                                     destroy};

__attribute__((visibility("default"))) const baton_engine_api* baton_engine_entry(
    const baton_host_api* host_api) {
  host = host_api;
  return &api;
}
