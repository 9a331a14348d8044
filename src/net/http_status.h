#pragma once

#include <string_view>

#include "net/exchange.h"

namespace baton::net {

// The reason phrase TensorFlow Serving's HTTP library (libevent) writes for a status: its own words
// for those it knows
// ("Gateway Time-out"), the name of the class for others (429 is "Client Error").
std::string_view ReasonPhrase(int status);

// libevent's HTML page for a status, which ends the connection: what TensorFlow Serving answers to
// paths it does not know (404), to unreadable requests (400) and to unknown methods (501). Never
// JSON.
Response HtmlError(int status);

}  // namespace baton::net
