"""What must cost the sender an error and nobody else anything."""
import gzip
import io
import json
import os
import socket
import time

import grpc
import pytest

from baton_server import BatonServer
from stock_client import StockClient, half

MIB = 1 << 20
PREDICT = "/v1/models/m:predict"


@pytest.fixture(scope="module")
def server(baton_binary, models_dir):
    with BatonServer("--model_name=m", f"--model_base_path={models_dir}/half_plus_two") as running:
        yield running


@pytest.fixture(autouse=True)
def others_are_unharmed(server):
    """A caller that was connected before the attack is answered after it, by the same process, without much new memory."""
    with StockClient(server.grpc_address) as client:
        assert half(client.predict("m", {"x": [2.0]})) == 3.0
        before = server.rss_bytes()
        yield
        assert half(client.predict("m", {"x": [2.0]})) == 3.0
        assert server.process.poll() is None
        assert server.rss_bytes() < before + 64 * MIB


def timed_post(server: BatonServer, body: bytes, headers=None):
    started = time.monotonic()
    answer = server.post(PREDICT, body, headers=headers)
    return answer, time.monotonic() - started


@pytest.mark.parametrize("body", [
    b"[" * 1_000_000,
    b'{"instances":' + b"[" * 1_000_000,
    b'{"instances":' + b"[" * 1_000_000 + b"1" + b"]" * 1_000_000 + b"}",
    b'{"inputs":' + b'{"a":' * 500_000,
    b'{"signature_name":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b',"instances":[1.0]}',
], ids=["brackets", "in instances", "closed again", "objects", "in the signature's name"])
def test_a_million_brackets_are_refused_cheaply(server, body):
    (status, _, answer), seconds = timed_post(server, body)
    assert status == 400
    assert "error" in json.loads(answer)
    assert seconds < 2


def test_a_gzip_bomb_is_refused_cheaply(server):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as stream:
        for _ in range(512):
            stream.write(bytes(MIB))
    (status, _, answer), seconds = timed_post(server, packed.getvalue(), {"Content-Encoding": "gzip"})
    assert status == 400
    assert json.loads(answer) == {"error": "JSON Parse error: The document is empty"}
    assert seconds < 2


def test_a_gzip_bomb_that_lies_about_its_size_is_refused_too(server):
    packed = bytearray(gzip.compress(bytes(256 * MIB), 9))
    packed[-4:] = (100).to_bytes(4, "little")
    (status, _, _), seconds = timed_post(server, bytes(packed), {"Content-Encoding": "gzip"})
    assert status == 400
    assert seconds < 2


def talk(port: int, sent: bytes, seconds: float = 5) -> bytes:
    """What came back until the server closed the connection (or, silent, until the time was up)."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(sent)
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionError):
            pass
    return received


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("sent", [
    os.urandom(4096),
    PREFACE + os.urandom(4096),
    PREFACE + SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    PREFACE + SETTINGS + b"\x00\x00\x08\x06\x00\x00\x00\x00\x01" + bytes(8),
    PREFACE + SETTINGS + b"\x00\x00\x10\x01\x05\x00\x00\x00\x01" + b"\xff" * 16,
    PREFACE + SETTINGS + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + bytes(4),
], ids=["noise", "noise after the preface", "a frame too long", "a ping on a stream", "bad HPACK", "a window of nothing"])
def test_a_garbage_frame_ends_its_connection_only(server, sent):
    talk(server.grpc_port, sent, seconds=3)


@pytest.mark.parametrize("sent", [
    b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * (8 * MIB),
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1_000_000,
], ids=["a length too long", "a negative length", "a chunk too long", "a chunk that is no number", "an endless line", "endless headers"])
def test_a_hostile_http1_request_is_answered_with_an_error_or_closed(server, sent):
    answer = talk(server.rest_port, sent, seconds=3)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_a_huge_length_in_a_grpc_frame_is_refused(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as error:
            call(b"\x0a\xff\xff\xff\xff\x0f", timeout=5)
        assert error.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)


def test_wrong_inputs_name_the_fault(server):
    with StockClient(server.grpc_address) as client:
        for inputs, code in (({"x": ["text"]}, "INVALID_ARGUMENT"), ({}, "INVALID_ARGUMENT"), ({"z": [1.0]}, "INVALID_ARGUMENT")):
            with pytest.raises(grpc.RpcError) as error:
                client.predict("m", inputs)
            assert error.value.code().name == code
            assert error.value.details()
