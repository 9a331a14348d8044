/* Plug-ins the host must refuse; BAD chooses what is wrong with this one. */
#include "baton/engine_abi.h"

#define NO_ENTRY 1
#define NULL_TABLE 2
#define MAJOR 3
#define MINOR 4
#define SHORT_TABLE 5
#define NO_FUNCTIONS 6
#define NO_NAME 7

static const baton_engine_api api = {
    .struct_size = BAD == SHORT_TABLE ? 40 : sizeof(baton_engine_api),
    .abi_major = BATON_ENGINE_ABI_MAJOR + (BAD == MAJOR ? 1 : 0),
    .abi_minor = BATON_ENGINE_ABI_MINOR + (BAD == MINOR ? 7 : 0),
    .name = BAD == NO_NAME ? "two words" : "bad",
    .version = "1",
};

#if BAD == NO_ENTRY
#define ENTRY another_entry
#else
#define ENTRY baton_engine_entry
#endif

const baton_engine_api* ENTRY(const baton_host_api* host);

__attribute__((visibility("default"))) const baton_engine_api* ENTRY(const baton_host_api* host) {
  (void)host;
  return BAD == NULL_TABLE ? NULL : &api;
}
