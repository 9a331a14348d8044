#include "absl/strings/match.h"
#include "base/strings.h"
#include "net/exchange.h"

namespace baton::net {

const std::string* Headers::Find(std::string_view name) const {
  for (const Header& field : fields_) {
    if (field.name.size() == name.size() &&
        absl::EqualsIgnoreCase(base::ToAbsl(field.name), base::ToAbsl(name))) {
      return &field.value;
    }
  }
  return nullptr;
}

}  // namespace baton::net
