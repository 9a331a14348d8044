"""Schemas that TensorFlow compiles into its libraries and ships no Python module for."""
import functools
import mmap
import pathlib

from google.protobuf import descriptor_pb2

LIBRARIES = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
FIELDS = range(1, 13)  # of FileDescriptorProto, as far as these files use them


def _varint(data, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def _end(data, at: int) -> int:
    """Where the serialized descriptor that begins at `at` stops to look like one."""
    while True:
        tag, value_at = _varint(data, at)
        if tag >> 3 not in FIELDS or tag & 7 not in (0, 2):
            return at
        number, after = _varint(data, value_at)
        at = after + number if tag & 7 == 2 else after


@functools.cache
def embedded_descriptor(folder: str, path: str) -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of the file `path` in the libraries of the package in `folder`; KeyError when none has it."""
    name = path.encode()
    start = b"\n" + bytes([len(name)]) + name + b"\x12"  # name, then package
    for library in LIBRARIES:
        with open(pathlib.Path(folder) / library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(start)
            if at >= 0:
                return descriptor_pb2.FileDescriptorProto.FromString(data[at : _end(data, at)])
    raise KeyError(path)
