"""What "equal" means between an expected and an observed value."""
import functools
import importlib
import json
import math
import re

from google.protobuf import descriptor_pool, message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor

APPROXIMATELY = 1e-5


def parse_json(body: bytes):
    """Servers write raw bytes into JSON strings, so bytes map to characters one to one."""
    return json.loads(body.decode("latin-1"))


def error_document(message: bytes) -> bytes:
    """TensorFlow Serving's error body for a message."""
    short = {0x22: b'\\"', 0x5C: b"\\\\", 0x08: b"\\b", 0x0C: b"\\f", 0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t"}
    escaped = b"".join(short.get(c) or (b"\\u%04X" % c if c < 0x20 else bytes([c])) for c in message)
    return b'{\n    "error": "' + escaped + b'"\n}'


def html_page(code: str, reason: str) -> bytes:
    """The page that libevent makes for an error of its own."""
    return (f"<HTML><HEAD>\n<TITLE>{code} {reason}</TITLE>\n</HEAD><BODY>\n<H1>{reason}</H1>\n</BODY></HTML>\n").encode()


def json_difference(expected, ours, approximately: bool, path: str = "$") -> str | None:
    """Where two JSON values first differ. 3 and 3.0 differ; 0.0 and -0.0 too; the order of members does not count."""
    if isinstance(expected, float) and isinstance(ours, float):
        same = (expected == ours and math.copysign(1, expected) == math.copysign(1, ours)) or \
            (math.isnan(expected) and math.isnan(ours))
        if same or approximately and math.isclose(expected, ours, rel_tol=APPROXIMATELY):
            return None
    elif isinstance(expected, dict) and isinstance(ours, dict):
        for key in sorted(expected.keys() | ours.keys()):
            if key not in expected or key not in ours:
                return f"{path}: member {key!r} is only in the {'expected' if key in expected else 'observed'} value"
            if found := json_difference(expected[key], ours[key], approximately, f"{path}.{key}"):
                return found
        return None
    elif isinstance(expected, list) and isinstance(ours, list) and len(expected) == len(ours):
        for index, (left, right) in enumerate(zip(expected, ours)):
            if found := json_difference(left, right, approximately, f"{path}[{index}]"):
                return found
        return None
    elif type(expected) is type(ours) and expected == ours:
        return None
    return f"{path}: expected {expected!r}, observed {ours!r}"


@functools.cache
def load_messages() -> None:
    """Makes the messages of every service known. Importing them brings TensorFlow along, so only who asks a server does it."""
    for name in ("tensorflow_serving.apis.model_service_pb2", "tensorflow_serving.apis.prediction_service_pb2",
                 "tensorflow_serving.apis.session_service_pb2", "tensorflow_serving.apis.prediction_log_pb2",
                 "grpc_health.v1.health_pb2", "grpc_reflection.v1alpha.reflection_pb2"):
        importlib.import_module(name)


def message_class(name: str):
    load_messages()
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


def parse_text(text: str, cls):
    return text_format.Parse(text, cls())


def canonical(message) -> str:
    """Text with maps in key order, Any expanded and floats in their shortest form; equal text is an equal message."""
    return text_format.MessageToString(message)


def message_difference(expected, ours, mode: str) -> str | None:
    """`has`: fields that are set in `expected` are so in `ours`; `approximately`: floats may differ in the last digits."""
    if not mode:
        left, right = canonical(expected), canonical(ours)
        return None if left == right else f"expected:\n{left}observed:\n{right}"
    return partial_difference(expected, ours, mode, "")


def partial_difference(expected, ours, mode: str, path: str) -> str | None:
    if mode == "approximately":
        if {f.name for f, _ in expected.ListFields()} != {f.name for f, _ in ours.ListFields()}:
            return f"{path or 'message'}: expected:\n{canonical(expected)}observed:\n{canonical(ours)}"
    for descriptor, value in expected.ListFields():
        other, here = getattr(ours, descriptor.name), f"{path}.{descriptor.name}"
        if found := field_difference(descriptor, value, other, mode, here):
            return found
    return None


def is_map(descriptor) -> bool:
    return descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry


def field_difference(descriptor, value, other, mode: str, path: str) -> str | None:
    if is_map(descriptor):
        missing = [key for key in value if key not in other]
        if missing or mode == "approximately" and len(value) != len(other):
            return f"{path}: keys expected {sorted(value)}, observed {sorted(other)}"
        of_value = descriptor.message_type.fields_by_name["value"]
        pairs = [(value[key], other[key], f"{path}[{key}]") for key in value]
        return first(value_difference(of_value, a, b, mode, p) for a, b, p in pairs)
    if descriptor.is_repeated:
        if len(value) != len(other):
            return f"{path}: expected {len(value)} elements, observed {len(other)}"
        return first(value_difference(descriptor, a, b, mode, f"{path}[{i}]") for i, (a, b) in enumerate(zip(value, other)))
    return value_difference(descriptor, value, other, mode, path)


def first(found):
    return next((text for text in found if text), None)


def value_difference(descriptor, value, other, mode: str, path: str) -> str | None:
    if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
        if descriptor.message_type.full_name == "google.protobuf.Any":
            return unpacked_difference(value, other, mode, path)
        return partial_difference(value, other, mode, path)
    if value == other or isinstance(value, float) and math.isnan(value) and math.isnan(other):
        return None
    if mode == "approximately" and isinstance(value, float) and math.isclose(value, other, rel_tol=APPROXIMATELY):
        return None
    return f"{path}: expected {value!r}, observed {other!r}"


def unpacked_difference(value, other, mode: str, path: str) -> str | None:
    if value.type_url != other.type_url:
        return f"{path}: expected {value.type_url}, observed {other.type_url}"
    cls = message_class(value.TypeName())
    return partial_difference(cls.FromString(value.value), cls.FromString(other.value), mode, path)


def text_difference(expected: bytes, ours: bytes, mode: str) -> str | None:
    """Bytes against bytes: equal, matching a regular expression (`~`), containing (`has`) or not containing (`lacks`)."""
    if mode == "~":
        pattern = expected.decode("utf-8")
        good = re.search(pattern, ours.decode("latin-1"), re.MULTILINE)
        return None if good else f"expected to match {pattern!r}, observed {shortened(ours)}"
    if mode == "has":
        return None if expected in ours else f"expected to contain {expected!r}, observed {shortened(ours)}"
    if mode == "lacks":
        return None if expected not in ours else f"expected not to contain {expected!r}, observed {shortened(ours)}"
    return None if expected == ours else f"expected {expected!r}, observed {ours!r}"


def shortened(text: bytes) -> str:
    return repr(text if len(text) < 3000 else text[:1500] + b" ... " + text[-1500:])
