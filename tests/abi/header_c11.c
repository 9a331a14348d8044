/* The header is valid C11 by itself, pedantically. */
#include "baton/engine_abi.h"

_Static_assert(sizeof(baton_probe) == sizeof(int), "enums are ints");
_Static_assert(sizeof(baton_str) == 2 * sizeof(void*), "");

int baton_header_is_c11(void);
int baton_header_is_c11(void) { return BATON_ENGINE_ABI_MAJOR; }
