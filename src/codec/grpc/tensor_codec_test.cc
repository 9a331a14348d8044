#include "codec/grpc/tensor_codec.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "codec/grpc/tensor_reference.h"
#include "codec/grpc/typed_field.h"
#include "codec/grpc/wire_writer.h"

namespace baton::codec::grpc {
namespace {

using std::string_literals::operator""s;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;
using tensorflow::TensorProto;

constexpr DType kHostTypes[] = {DType::kFloat,
                                DType::kDouble,
                                DType::kInt32,
                                DType::kUint8,
                                DType::kInt16,
                                DType::kInt8,
                                DType::kString,
                                DType::kComplex64,
                                DType::kInt64,
                                DType::kBool,
                                DType::kQint8,
                                DType::kQuint8,
                                DType::kQint32,
                                DType::kBfloat16,
                                DType::kQint16,
                                DType::kQuint16,
                                DType::kUint16,
                                DType::kComplex128,
                                DType::kHalf,
                                DType::kUint32,
                                DType::kUint64,
                                DType::kFloat8E5m2,
                                DType::kFloat8E4m3fn,
                                DType::kFloat8E4m3fnuz,
                                DType::kFloat8E4m3b11fnuz,
                                DType::kFloat8E5m2fnuz,
                                DType::kInt4,
                                DType::kUint4,
                                DType::kInt2,
                                DType::kUint2};

absl::StatusOr<Tensor> Decode(const std::string& bytes) {
  const base::Buffer message = base::Buffer::Copy(bytes);
  return DecodeTensor(message.view(), message);
}

TensorProto FromText(const std::string& text) {
  TensorProto proto;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &proto)) << text;
  return proto;
}

// The contract's table (§3.4), one line per rule.
TEST(DecodeTensorTest, FollowsTheContract) {
  const struct {
    const char* rule;
    std::string proto;
    bool is_accepted;
    ReferenceElements elements;
  } kCases[] = {
      {"as many values as elements",
       "dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: [1, -2]",
       true,
       {RawBytes(1), RawBytes(-2)}},
      {"more values than elements: the rest is ignored",
       "dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: [1, 2]",
       true,
       {RawBytes(1)}},
      {"too few values: the last one is repeated",
       "dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: [1, 2]",
       true,
       {RawBytes(1.f), RawBytes(2.f), RawBytes(2.f)}},
      {"one value for all",
       "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: 2",
       true,
       {RawBytes(2.f), RawBytes(2.f)}},
      {"no values: zeros",
       "dtype: DT_INT64 tensor_shape { dim { size: 1 } }",
       true,
       {RawBytes(int64_t{0})}},
      {"no strings: empty ones",
       "dtype: DT_STRING tensor_shape { dim { size: 2 } }",
       true,
       {"", ""}},
      {"values of another type's field: zeros",
       "dtype: DT_INT64 tensor_shape { dim { size: 1 } } int_val: 3",
       true,
       {RawBytes(int64_t{0})}},
      {"no elements", "dtype: DT_FLOAT tensor_shape { dim { size: 0 } } float_val: 1", true, {}},
      {"no elements and content",
       "dtype: DT_FLOAT tensor_shape { dim { size: 0 } } tensor_content: 'abc'",
       true,
       {}},
      {"no shape: a scalar", "dtype: DT_BOOL bool_val: true", true, {"\1"}},
      {"unknown rank: a scalar",
       "dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1",
       true,
       {RawBytes(1.f)}},
      {"the version is ignored", "dtype: DT_BOOL version_number: 7 bool_val: true", true, {"\1"}},
      {"content is used alone",
       "dtype: DT_UINT8 tensor_shape { dim { size: 2 } } tensor_content: 'ab' int_val: 1",
       true,
       {"a", "b"}},
      {"content too short",
       "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: 'abc'",
       false,
       {}},
      {"content too long",
       "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: 'abcde'",
       false,
       {}},
      {"a negative dimension",
       "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1",
       false,
       {}},
      {"a shape that overflows",
       "dtype: DT_FLOAT tensor_shape { dim { size: 4294967296 } dim { size: 4294967296 } }",
       false,
       {}},
      {"2^40 elements from one value",
       "dtype: DT_FLOAT tensor_shape { dim { size: 1099511627776 } } float_val: 1",
       false,
       {}},
      {"2^40 strings from one value",
       "dtype: DT_STRING tensor_shape { dim { size: 1099511627776 } } string_val: 'x'",
       false,
       {}},
      {"2^40 variants from none",
       "dtype: DT_VARIANT tensor_shape { dim { size: 1099511627776 } }",
       false,
       {}},
      {"no type", "tensor_shape { dim { size: 1 } } float_val: 1", false, {}},
      {"a reference type",
       "dtype: DT_FLOAT_REF tensor_shape { dim { size: 1 } } float_val: 1",
       false,
       {}},
      {"a type newer than the contract",
       "dtype: DT_FLOAT4_E2M1FN tensor_shape { dim { size: 1 } }",
       false,
       {}},
      {"narrow integers are cut",
       "dtype: DT_INT8 tensor_shape { dim { size: 2 } } int_val: [300, -129]",
       true,
       {"\x2c", "\x7f"}},
      {"halves lie in the low bits",
       "dtype: DT_HALF tensor_shape { dim { size: 1 } } half_val: 81408",
       true,
       {"\x00\x3e"s}},
      {"nibbles are cut and keep their sign",
       "dtype: DT_INT4 tensor_shape { dim { size: 2 } } int_val: [25, 7]",
       true,
       {"\xf9", "\7"}},
      {"unsigned nibbles are cut",
       "dtype: DT_UINT2 tensor_shape { dim { size: 1 } } int_val: 7",
       true,
       {"\3"}},
      {"complex numbers are pairs; half of one is none",
       "dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: [1, 2, 3]",
       true,
       {RawBytes(1.f) + RawBytes(2.f), RawBytes(1.f) + RawBytes(2.f)}},
      {"float8 is a byte each and repeats",
       "dtype: DT_FLOAT8_E5M2 tensor_shape { dim { size: 3 } } float8_val: 'ab'",
       true,
       {"a", "b", "b"}},
      {"strings keep any byte",
       "dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: 'a' string_val: "
       "'\\377\\000b'",
       true,
       {"a", "\xff\0b"s}},
      {"string content: lengths, then bytes",
       "dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\002abc'",
       true,
       {"a", "bc"}},
      {"string content with bytes to spare",
       "dtype: DT_STRING tensor_shape { dim { size: 1 } } tensor_content: '\\001ab'",
       false,
       {}},
      {"string content cut short",
       "dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\002ab'",
       false,
       {}},
      {"string content without its lengths",
       "dtype: DT_STRING tensor_shape { dim { size: 9 } } tensor_content: '\\000\\000'",
       false,
       {}},
      {"a string length of six bytes",
       "dtype: DT_STRING tensor_content: '\\201\\200\\200\\200\\200\\000x'",
       false,
       {}},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<Tensor> tensor = Decode(FromText(c.proto).SerializeAsString());
    ASSERT_EQ(tensor.ok(), c.is_accepted) << c.rule << ": " << tensor.status();
    if (tensor.ok()) {
      EXPECT_EQ(ElementsOf(*tensor), c.elements) << c.rule;
    } else {
      EXPECT_EQ(tensor.status().code(), absl::StatusCode::kInvalidArgument) << c.rule;
    }
  }
}

TEST(DecodeTensorTest, RefusesMoreThan254Dimensions) {
  TensorProto proto = FromText("dtype: DT_UINT8 int_val: 1");
  for (int i = 0; i < 254; ++i) proto.mutable_tensor_shape()->add_dim()->set_size(1);
  EXPECT_TRUE(Decode(proto.SerializeAsString()).ok());
  proto.mutable_tensor_shape()->add_dim()->set_size(1);
  EXPECT_FALSE(Decode(proto.SerializeAsString()).ok());
}

TEST(DecodeTensorTest, RefusesBytesThatProtobufRefuses) {
  const struct {
    const char* what;
    std::string bytes;
  } kCases[] = {
      {"a packed float of five bytes",
       "\x08\x01\x2a\x05"
       "abcde"s},
      {"a packed double of four bytes",
       "\x08\x02\x32\x04"
       "abcd"s},
      {"a cut packed varint", "\x08\x03\x3a\x02\x01\x80"s},
      {"a cut packed varint of another type's field", "\x08\x01\x3a\x02\x01\x80"s},
      {"a cut packed varint behind content", "\x08\x04\x22\x01x\x3a\x02\x01\x80"s},
      {"a cut packed varint where no element is wanted",
       "\x08\x03\x12\x04\x12\x02\x08\x00\x3a\x01\x80"s},
      {"a dimension's name that is not UTF-8", "\x08\x03\x12\x05\x12\x03\x12\x01\xff"s},
      {"a resource that is none", "\x08\x01\x72\x02\x0a\x05"s},
      {"a resource's name that is not UTF-8", "\x08\x01\x72\x03\x1a\x01\xff"s},
      {"a cut tensor", "\x08\x01\x12\x05"s},
  };
  testing::internal::CaptureStderr();  // protobuf logs what is not UTF-8
  for (const auto& c : kCases) {
    EXPECT_FALSE(Decode(c.bytes).ok()) << c.what;
    EXPECT_FALSE(TensorProto().ParseFromString(c.bytes)) << c.what;
  }
  testing::internal::GetCapturedStderr();
}

TEST(DecodeTensorTest, RefusesVariantsThatNestTooDeep) {
  // Written by hand: protobuf would recurse to write what it then refuses to read.
  const auto wrap = [](uint32_t field, const std::string& inner) {
    std::string outer(BytesFieldSize(field, inner.size()), '\0');
    WriteBytesField(field, inner, outer.data());
    return outer;
  };
  const auto nested = [&](int depth) {
    std::string bytes;
    for (int i = 0; i < depth; ++i) bytes = wrap(15, wrap(3, bytes));
    return "\x08\x01" + bytes;
  };
  EXPECT_TRUE(Decode(nested(50)).ok());
  EXPECT_FALSE(Decode(nested(51)).ok());
  EXPECT_FALSE(Decode(nested(2000)).ok());
}

TEST(DecodeTensorTest, PassesResourcesAndVariantsThroughWithoutElements) {
  const absl::StatusOr<Tensor> resource = Decode(
      FromText(
          "dtype: DT_RESOURCE tensor_shape { dim { size: 2 } } resource_handle_val { name: 'r' }")
          .SerializeAsString());
  ASSERT_TRUE(resource.ok()) << resource.status();
  EXPECT_EQ(resource->dtype(), DType::kResource);
  EXPECT_EQ(resource->num_elements(), 2);
  EXPECT_TRUE(resource->buffer().empty());
  EXPECT_EQ(Decode(FromText("dtype: DT_VARIANT").SerializeAsString())->dtype(), DType::kVariant);
}

TEST(DecodeTensorTest, MergesRepeatedFieldsAsProtobufDoes) {
  const std::string bytes =
      FromText("dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [1, 2]")
          .SerializeAsString() +
      FromText("dtype: DT_INT16 tensor_shape { dim { size: 3 } } int_val: [1, 2]")
          .SerializeAsString() +
      FromText("int_val: [3, 4, 5, 6]").SerializeAsString();
  const absl::StatusOr<Tensor> tensor = Decode(bytes);
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(tensor->dtype(), DType::kInt16);
  EXPECT_EQ(tensor->shape(), (Shape{2, 3}));
  EXPECT_EQ(ElementsOf(*tensor), *ReferenceDecode([&] {
              TensorProto proto;
              EXPECT_TRUE(proto.ParseFromString(bytes));
              return proto;
            }()));
}

// --- borrowing ---

// The tensor's payload placed on and off alignment inside its message.
TEST(DecodeTensorTest, BorrowsAlignedNumbersAndCopiesOthers) {
  for (const bool as_content : {true, false}) {
    TensorProto proto;
    proto.set_dtype(tensorflow::DT_FLOAT);
    proto.mutable_tensor_shape()->add_dim()->set_size(100);
    std::vector<float> values(100);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    if (as_content) {
      proto.set_tensor_content(values.data(), values.size() * sizeof(float));
    } else {
      proto.mutable_float_val()->Assign(values.begin(), values.end());
    }
    const std::string bytes = proto.SerializeAsString();
    const size_t payload = bytes.size() - values.size() * sizeof(float);
    for (const bool is_aligned : {true, false}) {
      const size_t shift = (64 - payload % 64) % 64 + (is_aligned ? 0 : 4);
      const base::Buffer message = base::Buffer::Copy(std::string(shift, '\0') + bytes);
      const std::string_view view = message.view().substr(shift);
      const absl::StatusOr<Tensor> tensor = DecodeTensor(view, message);
      ASSERT_TRUE(tensor.ok());
      EXPECT_EQ(tensor->bytes().data() == view.data() + payload, is_aligned);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->bytes().data()) % 64, 0u);
      EXPECT_EQ(tensor->values<float>()[99], 99.f);
    }
  }
}

TEST(DecodeTensorTest, KeepsTheMessageOfItsStringsAlive) {
  std::weak_ptr<const void> owner;
  std::vector<Tensor> tensors;
  {
    const base::Buffer message = base::Buffer::FromString(
        FromText("dtype: DT_STRING string_val: 'a string that is not short'").SerializeAsString());
    owner = message.owner();
    tensors.push_back(DecodeTensor(message.view(), message).value());
  }
  EXPECT_FALSE(owner.expired());
  EXPECT_EQ(tensors[0].strings()[0].view(), "a string that is not short");
  tensors.clear();
  EXPECT_TRUE(owner.expired());
}

// --- against protobuf ---

int64_t RandomNumber(std::mt19937_64& random) {
  const uint64_t bits = random();
  return static_cast<int64_t>(bits >> (random() % 64)) * (random() % 2 == 0 ? 1 : -1);
}

// A TensorProto of this type with up to `count` + 2 values, in content or in its field.
TensorProto RandomProto(DType dtype, std::mt19937_64& random) {
  TensorProto proto;
  proto.set_dtype(static_cast<tensorflow::DataType>(dtype));
  int64_t count = 1;
  for (uint64_t rank = random() % 3; rank > 0; --rank) {
    const int64_t dim = static_cast<int64_t>(random() % 5);
    proto.mutable_tensor_shape()->add_dim()->set_size(dim);
    count *= dim;
  }
  const auto bytes = [&](size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };
  if (random() % 4 == 0) {
    const size_t size = dtype == DType::kString
                            ? random() % 20
                            : tensor::ByteSize(dtype) * static_cast<size_t>(count);
    proto.set_tensor_content(bytes(size + (random() % 5 == 0 ? 1 : 0)));
    return proto;
  }
  for (uint64_t n = random() % (static_cast<uint64_t>(count) + 3); n > 0; --n) {
    const int64_t number = RandomNumber(random);
    proto.add_float_val(static_cast<float>(number));
    proto.add_double_val(static_cast<double>(number));
    proto.add_int_val(static_cast<int32_t>(number));
    proto.add_string_val(bytes(random() % 9));
    proto.add_scomplex_val(static_cast<float>(number));
    proto.add_int64_val(number);
    proto.add_bool_val(number % 2 != 0);
    proto.add_dcomplex_val(static_cast<double>(number));
    proto.add_half_val(static_cast<int32_t>(number));
    proto.add_uint32_val(static_cast<uint32_t>(number));
    proto.add_uint64_val(static_cast<uint64_t>(number));
    proto.mutable_float8_val()->push_back(static_cast<char>(number));
  }
  return proto;
}

TEST(DecodeTensorTest, AgreesWithTheReferenceOnRandomTensors) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    for (const DType dtype : kHostTypes) {
      const TensorProto proto = RandomProto(dtype, random);
      const absl::StatusOr<Tensor> tensor = Decode(proto.SerializeAsString());
      const auto expected = ReferenceDecode(proto);
      ASSERT_EQ(tensor.ok(), expected.has_value()) << proto.DebugString() << tensor.status();
      if (expected) {
        ASSERT_EQ(ElementsOf(*tensor), *expected) << proto.DebugString();
      }
    }
  }
}

// The same numbers one by one, as a client that does not pack writes them.
TEST(DecodeTensorTest, ReadsUnpackedNumbers) {
  std::mt19937_64 random(5);
  const auto append_tag = [](uint32_t field, uint32_t type, std::string* out) {
    char buffer[10];
    out->append(buffer, WriteVarint(field << 3 | type, buffer));
  };
  for (const DType dtype : kHostTypes) {
    const TypedField field = FieldOf(dtype);
    if (field.form != TypedField::Form::kFixed && field.form != TypedField::Form::kVarint) continue;
    std::string bytes = FromText("tensor_shape { dim { size: 4 } }").SerializeAsString();
    append_tag(1, 0, &bytes);
    bytes.push_back(static_cast<char>(dtype));
    for (int i = 0; i < 3; ++i) {
      const auto number = static_cast<uint64_t>(RandomNumber(random));
      if (field.form == TypedField::Form::kVarint) {
        append_tag(field.field, 0, &bytes);
        char buffer[10];
        bytes.append(buffer, WriteVarint(number, buffer));
      } else {
        append_tag(field.field, field.unit == 4 ? 5 : 1, &bytes);
        bytes.append(reinterpret_cast<const char*>(&number), field.unit);
      }
    }
    TensorProto proto;
    ASSERT_TRUE(proto.ParseFromString(bytes));
    const absl::StatusOr<Tensor> tensor = Decode(bytes);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(ElementsOf(*tensor), *ReferenceDecode(proto)) << tensor::Name(dtype);
  }
}

// --- encoding ---

TEST(EncodeTensorTest, WritesWhatProtobufReadsBackTheSame) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 200; ++round) {
    for (const DType dtype : kHostTypes) {
      const absl::StatusOr<Tensor> tensor = Decode(RandomProto(dtype, random).SerializeAsString());
      if (!tensor.ok()) continue;
      for (const TensorEncoding encoding :
           {TensorEncoding::kTypedField, TensorEncoding::kTensorContent}) {
        std::string bytes = "before";
        AppendTensor(*tensor, encoding, &bytes);
        bytes.erase(0, 6);
        ASSERT_EQ(bytes.size(), EncodedTensorSize(*tensor, encoding));
        TensorProto proto;
        ASSERT_TRUE(proto.ParseFromString(bytes)) << tensor::Name(dtype);
        ASSERT_EQ(proto.ByteSizeLong(), bytes.size());
        ASSERT_TRUE(proto.has_tensor_shape());
        ASSERT_EQ(proto.dtype(), static_cast<int>(dtype));
        const bool has_content =
            encoding == TensorEncoding::kTensorContent && tensor->num_elements() > 0;
        ASSERT_EQ(!proto.tensor_content().empty(), has_content);
        // Booleans and nibbles come out in their own range whatever their byte held.
        if (has_content || FieldOf(dtype).form != TypedField::Form::kVarint ||
            tensor::ByteSize(dtype) > 1) {
          ASSERT_EQ(*ReferenceDecode(proto), ElementsOf(*tensor)) << proto.DebugString();
        }
        if (!has_content) {
          ASSERT_EQ(ReferenceTypedValues(proto).size(),
                    static_cast<size_t>(tensor->num_elements()));
        }
      }
    }
  }
}

TEST(EncodeTensorTest, WritesTheBytesThatProtobufWrites) {
  const struct {
    const char* what;
    Tensor tensor;
    std::string typed;
    std::string content;
  } kCases[] = {
      {"floats", Tensor::FromValues<float>(DType::kFloat, {1, 2}, std::vector<float>{1, 2.5}),
       "dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } float_val: [1, 2.5]",
       "dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } tensor_content: "
       "'\\000\\000\\200\\077\\000\\000 @'"},
      {"a scalar has a shape",
       *Decode(FromText("dtype: DT_INT64 int64_val: -1").SerializeAsString()),
       "dtype: DT_INT64 tensor_shape {} int64_val: -1",
       "dtype: DT_INT64 tensor_shape {} tensor_content: "
       "'\\377\\377\\377\\377\\377\\377\\377\\377'"},
      {"an empty tensor has its zero",
       Tensor::FromValues<int8_t>(DType::kInt8, {2, 0}, std::vector<int8_t>{}),
       "dtype: DT_INT8 tensor_shape { dim { size: 2 } dim {} }",
       "dtype: DT_INT8 tensor_shape { dim { size: 2 } dim {} }"},
      {"negative bytes",
       Tensor::FromValues<int8_t>(DType::kInt8, {2}, std::vector<int8_t>{-128, 127}),
       "dtype: DT_INT8 tensor_shape { dim { size: 2 } } int_val: [-128, 127]",
       "dtype: DT_INT8 tensor_shape { dim { size: 2 } } tensor_content: '\\200\\177'"},
      {"strings", Tensor::FromStrings({2}, std::vector<std::string_view>{"a", ""}),
       "dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: ['a', '']",
       "dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\000a'"},
      {"booleans of any bit pattern",
       Tensor::FromValues<uint8_t>(DType::kBool, {2}, std::vector<uint8_t>{0, 2}),
       "dtype: DT_BOOL tensor_shape { dim { size: 2 } } bool_val: [false, true]",
       "dtype: DT_BOOL tensor_shape { dim { size: 2 } } tensor_content: '\\000\\002'"},
      {"repeats are not shortened",
       Tensor::FromValues<uint32_t>(DType::kUint32, {3}, std::vector<uint32_t>{7, 7, 7}),
       "dtype: DT_UINT32 tensor_shape { dim { size: 3 } } uint32_val: [7, 7, 7]",
       "dtype: DT_UINT32 tensor_shape { dim { size: 3 } } tensor_content: "
       "'\\007\\000\\000\\000\\007\\000\\000\\000\\007\\000\\000\\000'"},
      {"no tensor", Tensor(), "tensor_shape {}", "tensor_shape {}"},
  };
  for (const auto& c : kCases) {
    std::string typed;
    AppendTensor(c.tensor, TensorEncoding::kTypedField, &typed);
    EXPECT_EQ(typed, FromText(c.typed).SerializeAsString()) << c.what;
    std::string content;
    AppendTensor(c.tensor, TensorEncoding::kTensorContent, &content);
    EXPECT_EQ(content, FromText(c.content).SerializeAsString()) << c.what;
  }
}

}  // namespace
}  // namespace baton::codec::grpc
