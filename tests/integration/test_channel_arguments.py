"""--grpc_channel_arguments: what takes effect does so on the wire, what does not is named."""
import socket
import struct
import threading
import time

import grpc
import pytest

from baton_server import BatonServer, wait_until
from stock_client import StockClient, half

DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
ACK = 1


class RawHttp2:
    """An HTTP/2 client that does only what it is told, to see what the server does by itself."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(SETTINGS)
        self.buffer = b""
        self.settings: dict[int, int] = {}

    def __enter__(self) -> "RawHttp2":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        self.socket.sendall(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def frame(self) -> tuple[int, int, bytes] | None:
        """Type, flags and payload of the next frame; None at the end of the connection."""
        while True:
            if len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + size:
                    kind, flags, payload = self.buffer[3], self.buffer[4], self.buffer[9:9 + size]
                    self.buffer = self.buffer[9 + size:]
                    if kind == SETTINGS and not flags & ACK:
                        self.settings |= {key: value for key, value in struct.iter_unpack(">HI", payload)}
                    return kind, flags, payload
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not part:
                return None
            self.buffer += part

    def until(self, wanted: int | None) -> bytes:
        """The payload of the next frame of a type; with None, waits for the end. Pings that come before are answered."""
        while frame := self.frame():
            kind, flags, payload = frame
            if kind == wanted:
                return payload
            if kind == PING and not flags & ACK:
                self.send(PING, ACK, payload=payload)
        assert wanted is None, "the connection ended first"
        return b""


@pytest.fixture
def serve(baton_binary, models_dir):
    def start(arguments: str) -> BatonServer:
        return BatonServer("--model_name=m", f"--model_base_path={models_dir}/half_plus_two", f"--grpc_channel_arguments={arguments}")

    return start


def goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Last stream, error code, debug text."""
    last, error = struct.unpack(">II", payload[:8])
    return last, error, payload[8:]


def test_old_connections_are_sent_away_without_a_failed_call(serve):
    """Stock clients call all the time for many times the age; every call is answered."""
    with serve("grpc.max_connection_age_ms=200,grpc.max_connection_age_grace_ms=5000") as server:
        failures, calls, stop = [], [], threading.Event()

        def call() -> None:
            with StockClient(server.grpc_address, options=[("grpc.use_local_subchannel_pool", 1)]) as client:
                while not stop.is_set():
                    try:
                        assert half(client.predict("m", {"x": [2.0]})) == 3.0
                        calls.append(1)
                    except grpc.RpcError as error:
                        failures.append(error)

        callers = [threading.Thread(target=call) for _ in range(3)]
        for caller in callers:
            caller.start()
        # The ages of eight connections, one after the other, are over before a ninth is.
        for _ in range(8):
            with RawHttp2(server.grpc_port) as raw:
                assert goaway(raw.until(GOAWAY))[1] == 0
        stop.set()
        for caller in callers:
            caller.join(30)
        assert not failures
        assert len(calls) > 20


def test_an_old_connection_ends_after_the_answer_to_the_ping(serve):
    with serve("grpc.max_connection_age_ms=100") as server, RawHttp2(server.grpc_port) as raw:
        assert goaway(raw.until(GOAWAY))[:2] == (2**31 - 1, 0), "the notice"
        assert goaway(raw.until(GOAWAY))[:2] == (0, 0), "the last word"
        raw.until(None)


def test_idle_connections_end(serve):
    with serve("grpc.max_connection_idle_ms=100") as server, RawHttp2(server.grpc_port) as raw:
        assert goaway(raw.until(GOAWAY))[1] == 0
        raw.until(None)


def test_a_peer_that_does_not_answer_pings_is_cut_off(serve):
    arguments = "grpc.keepalive_time_ms=100,grpc.keepalive_timeout_ms=300,grpc.keepalive_permit_without_calls=1"
    with serve(arguments) as server, RawHttp2(server.grpc_port) as raw:
        for _ in range(3):
            raw.send(PING, ACK, payload=raw.until(PING))
        started = time.monotonic()
        while raw.frame():
            pass
        assert time.monotonic() - started < 10
        assert server.is_ready()


def test_clients_that_ping_too_often_hear_the_text_they_know(serve):
    with serve("grpc.http2.min_ping_interval_without_data_ms=60000,grpc.keepalive_permit_without_calls=1") as server:
        with RawHttp2(server.grpc_port) as raw:
            for _ in range(5):
                raw.send(PING, payload=b"12345678")
            assert goaway(raw.until(GOAWAY))[1:] == (11, b"too_many_pings")
            raw.until(None)


def test_by_default_clients_may_ping_as_they_like(serve):
    with serve("grpc.so_reuseaddr=1") as server, RawHttp2(server.grpc_port) as raw:
        for _ in range(50):
            raw.send(PING, payload=b"12345678")
            assert raw.until(PING) == b"12345678"


def test_settings_are_announced(serve):
    with serve("grpc.max_concurrent_streams=7,grpc.http2.max_frame_size=32768,grpc.max_metadata_size=20000") as server:
        with RawHttp2(server.grpc_port) as raw:
            raw.until(SETTINGS)
            assert raw.settings[3] == 7
            assert raw.settings[5] == 32768
            assert raw.settings[6] == 20000


def test_messages_have_the_sizes_that_were_set(serve):
    with serve("grpc.max_receive_message_length=1000,grpc.max_send_message_length=600") as server:
        with StockClient(server.grpc_address) as client:
            assert half(client.predict("m", {"x": [2.0]})) == 3.0
            with pytest.raises(grpc.RpcError) as refused:
                client.predict("m", {"x": [1.0] * 1000})
            assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert refused.value.details().startswith("Received message larger than max (40")
            assert refused.value.details().endswith(" vs. 1000)")
            with pytest.raises(grpc.RpcError) as refused:
                client.predict("m", {"x": [1.0] * 200})
            assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert refused.value.details().startswith("Sent message larger than max (8")
            assert refused.value.details().endswith(" vs. 600)")


def test_replies_are_compressed_when_asked(serve):
    def bytes_of_an_answer(server: BatonServer) -> int:
        """A Predict over a raw connection whose client takes gzip; the size of what comes back."""
        with StockClient(server.grpc_address) as client:
            assert half(client.predict("m", {"x": [2.0]})) == 3.0
            answer = client.predict("m", {"x": [0.0] * 50000})
            assert list(answer.outputs["y"].float_val) == [2.0] * 50000
        from tensorflow_serving.apis import predict_pb2
        import tensorflow as tf
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "m"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([0.0] * 50000))
        message = request.SerializeToString()
        fields = [(":method", "POST"), (":scheme", "http"), (":path", "/tensorflow.serving.PredictionService/Predict"),
                  (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-accept-encoding", "gzip")]
        block = b"".join(b"\x00" + bytes([len(k)]) + k.encode() + bytes([len(v)]) + v.encode() for k, v in fields)
        with RawHttp2(server.grpc_port) as raw:
            raw.until(SETTINGS)
            raw.send(SETTINGS, ACK)  # from here its windows are wide
            raw.send(SETTINGS, payload=struct.pack(">HI", 4, 2**24))
            raw.send(8, payload=struct.pack(">I", 2**24))  # WINDOW_UPDATE
            raw.send(HEADERS, 4, 1, block)
            body = b"\0" + len(message).to_bytes(4, "big") + message
            for at in range(0, len(body), 16384):
                raw.send(DATA, int(at + 16384 >= len(body)), 1, body[at:at + 16384])
            size = 0
            while frame := raw.frame():
                size += len(frame[2]) if frame[0] == DATA else 0
                if frame[0] == HEADERS and frame[1] & 1:
                    return size
        raise AssertionError("no answer")

    with serve("grpc.default_compression_algorithm=2") as server:
        assert bytes_of_an_answer(server) < 5000
    with serve("grpc.default_compression_algorithm=0") as server:
        assert bytes_of_an_answer(server) > 200000


def test_two_servers_share_a_port_only_when_both_ask(serve):
    with serve("grpc.so_reuseport=1") as first:
        for arguments, shares in (("grpc.so_reuseport=1", True), ("grpc.so_reuseport=0", False), ("", False)):
            second = serve(arguments)
            second.flags[0] = f"--port={first.grpc_port}"
            second.launch()
            try:
                if shares:
                    wait_until(lambda: "Running gRPC ModelServer at" in second.log_text(), "the second runs too")
                else:
                    assert second.wait_end() == 255
                    assert "INVALID_ARGUMENT: Failed to BuildAndStart gRPC server" in second.log_text()
            finally:
                second.kill()


def test_what_has_no_effect_is_named_once_and_the_server_runs(serve):
    with serve("grpc.lb_policy_name=grpclb,a=1,grpc.keepalive_time_ms=soon,grpc.so_reuseaddr=1") as server:
        log = server.log_text()
        for text in ("grpc.lb_policy_name has no effect on this server", " a has no effect on this server",
                     "grpc.keepalive_time_ms=soon is ignored: it must be a number from 1 to 2147483647"):
            assert log.count(text) == 1, text
        assert "so_reuseaddr" not in log


def test_an_item_without_an_equals_sign_ends_the_start(serve):
    server = serve("grpc.so_reuseaddr=1,oops").launch()
    assert server.wait_end() == 255
    assert 'Failed to start server. Error: INVALID_ARGUMENT: --grpc_channel_arguments: "oops" has no "="' in server.log_text()
