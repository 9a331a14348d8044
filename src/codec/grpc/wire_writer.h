#pragma once

#include "base/wire_writer.h"

namespace baton::codec::grpc {

// The names of base/wire_writer.h, which the REST codec needs too.
using base::BytesFieldSize;
using base::BytesTagSize;
using base::VarintSize;
using base::WriteBytesField;
using base::WriteBytesTag;
using base::WriteRaw;
using base::WriteVarint;

}  // namespace baton::codec::grpc
