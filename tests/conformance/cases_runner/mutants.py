"""Expectations made wrong on purpose: a check that one of them passes cannot fail, so its case proves nothing."""
import re

from . import compare
from .execute import Context, check
from .syntax import Expectation, Step, Value

WORDS = {"code": b"DATA_LOSS", "status": b"418", "exit": b"77", "serving": b"no", "waiting": b"no", "connection": b"sideways"}


def altered(expectation: Expectation, seen: dict, context: Context) -> Expectation | None:
    """The same expectation with another value, None where no other value exists."""
    value, mode = expectation.value, expectation.mode
    if expectation.key == "response":
        return altered_response(expectation, seen)
    if mode == "~":
        return None if re.search(context.text(value), "", re.MULTILINE) is None else expectation
    if mode == "lacks":
        return None
    if expectation.key == "no-header":
        data = seen["headers"][0][0].encode()
    elif expectation.key in WORDS and not mode:
        data = WORDS[expectation.key] if value.data != WORDS[expectation.key] else b"UNKNOWN"
    elif expectation.key == "json":
        data = b'{"other": ' + value.data + b"}"
    elif expectation.key == "answer" and not mode:
        data = value.data.replace(b"HTTP/1.", b"HTTP/2.", 1)
    elif expectation.key == "page":
        data = b"418 Teapot"
    else:
        data = value.data + b"#"
    return Expectation(expectation.key, mode, Value(data), expectation.line)


def altered_response(expectation: Expectation, seen: dict) -> Expectation | None:
    """A response with one more thing than the observed has: every message that is served has such a field."""
    if "response" not in seen or isinstance(seen["response"], bytes):
        return None
    other = type(seen["response"]).FromString(seen["response"].SerializeToString())
    for field in other.DESCRIPTOR.fields:
        if field.message_type is None or compare.is_map(field):
            continue
        if field.is_repeated:
            getattr(other, field.name).add()
        elif other.HasField(field.name):
            other.ClearField(field.name)
        else:
            getattr(other, field.name).SetInParent()
        if expectation.mode == "has" and not field.is_repeated:
            break
        return Expectation("response", expectation.mode, Value(compare.canonical(other).encode()), expectation.line)
    for field in other.DESCRIPTOR.fields:
        if field.enum_type is not None and not field.is_repeated:
            setattr(other, field.name, 7)
            return Expectation("response", expectation.mode, Value(compare.canonical(other).encode()), expectation.line)
    return None


def survivors(step: Step, seen: list[dict], context: Context, profile: str) -> list[int]:
    """Lines of expectations that hold although they were made wrong."""
    lines = []
    for expectation in step.expected(profile):
        other = altered(expectation, seen[0], context)
        if other is expectation or other is not None and check(step, other, seen[0], context) is None:
            lines.append(expectation.line)
    return lines
