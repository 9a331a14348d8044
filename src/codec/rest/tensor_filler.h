#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer.h"
#include "codec/rest/json_tape.h"
#include "tensor/tensor.h"

namespace baton::codec::rest {

// The shape a JSON value has if it is regular: sizes along the chain of first children.
tensor::Shape ShapeOf(const JsonTape& tape, size_t at);

// Collects the elements of one tensor from one or several JSON values, straight into the tensor's
// memory. Strings without escapes stay in the request's text; others are decoded into blocks that
// live as long as the tensor.
//
// Threads: confined to one. Owner: borrows the tape. Errors: Fill gives the contract's texts (§4.5,
// "Filling a tensor"), in the order in which the value's parts stand.
class TensorFiller {
 public:
  TensorFiller(const JsonTape& tape, tensor::DType dtype);

  // Makes room for `elements`; further ones are checked and dropped. Without this nothing is kept.
  absl::Status Reserve(int64_t elements);

  // Appends the elements of the value, which must be regular. REQUIRES: shape is ShapeOf the value.
  absl::Status Fill(size_t at, const tensor::Shape& shape);

  // REQUIRES: as many elements as reserved, and as the shape has.
  tensor::Tensor Finish(tensor::Shape shape) &&;

 private:
  // Behind the strings of a tensor: the text they point into, the views and what had to be decoded.
  struct StringStore {
    base::Buffer text;
    base::Buffer views;
    std::vector<base::Buffer> blocks;
    size_t used = 0;  // of the last block

    char* Room(size_t bytes);
    tensor::StringRef Keep(const char* room, size_t bytes);
  };

  // `count` leaves that follow each other from *at; *at is then behind the last one.
  absl::Status FillRun(size_t* at, uint64_t count, size_t rank);
  template <typename T, typename Convert>
  absl::Status FillFixed(size_t* at, uint64_t count, size_t rank, Convert convert);
  absl::Status FillStrings(size_t* at, uint64_t count, size_t rank);
  tensor::StringRef ReadString(size_t at);
  absl::StatusOr<tensor::StringRef> ReadBase64(size_t at);
  absl::Status WrongLeaf(size_t at, size_t rank) const;

  const JsonTape& tape_;
  const tensor::DType dtype_;
  base::Buffer elements_;
  size_t capacity_ = 0;
  size_t used_ = 0;
  std::shared_ptr<StringStore> strings_;
};

}  // namespace baton::codec::rest
