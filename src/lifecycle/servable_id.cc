#include "lifecycle/servable_id.h"

#include "base/strings.h"

namespace baton::lifecycle {

std::string ServableId::DebugString() const {
  return base::StrCat("{name: ", name, " version: ", version, "}");
}

}  // namespace baton::lifecycle
