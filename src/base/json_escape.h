#pragma once

#include <string>
#include <string_view>

namespace baton::base {

// Appends `text` as the inside of a JSON string: quotes, backslashes and control characters are
// escaped
// (\b \f \n \r \t, otherwise \u00XX with upper-case hex), every other byte is written as it is.
void AppendJsonEscaped(std::string_view text, std::string& out);

}  // namespace baton::base
