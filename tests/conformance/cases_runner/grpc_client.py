"""Asks gRPC questions written as protobuf text, of any service whose messages this Python knows, and with raw bytes of others."""
import grpc
from google.protobuf import descriptor_pool, message_factory

from .compare import load_messages, parse_text

PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
SHORT = {"Predict": PREDICTION, "Classify": PREDICTION, "Regress": PREDICTION, "MultiInference": PREDICTION,
         "GetModelMetadata": PREDICTION, "GetModelStatus": MODEL, "HandleReloadConfigRequest": MODEL}
DEFAULT_TIMEOUT = 30.0
COMPRESSION = {"": None, "gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Method:
    """An RPC by its name: `Predict` or `package.Service/Method`. Unknown ones carry bytes both ways."""

    def __init__(self, name: str):
        service, _, method = name.rpartition("/")
        service = service or SHORT[method]
        self.path = f"/{service}/{method}"
        self.is_streaming = False
        self.request_class = self.response_class = None
        load_messages()
        try:
            found = descriptor_pool.Default().FindServiceByName(service).methods_by_name.get(method)
        except KeyError:
            found = None
        if found is not None:
            self.request_class = message_factory.GetMessageClass(found.input_type)
            self.response_class = message_factory.GetMessageClass(found.output_type)
            self.is_streaming = found.client_streaming


def open_channel(over: str, address: str) -> grpc.Channel:
    """`over`: nothing for plain TCP, `unix:PATH`, or `tls ca=PATH [cert=PATH key=PATH]`."""
    if not over:
        return grpc.insecure_channel(address, NO_LIMIT)
    kind, *words = over.split()
    if kind.startswith("unix:"):
        return grpc.insecure_channel(kind, NO_LIMIT)
    if kind != "tls":
        raise ValueError(f"over {over!r}")
    files = dict(word.split("=", 1) for word in words)

    def read(name: str) -> bytes | None:
        if name not in files:
            return None
        with open(files[name], "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(read("ca"), read("key"), read("cert"))
    return grpc.secure_channel(address.replace("127.0.0.1", "localhost"), credentials)


def serialize(method: Method, request: str | None, raw: bytes | None) -> bytes:
    if raw is not None:
        return raw
    if method.request_class is None:
        return b""
    return parse_text(request or "", method.request_class).SerializeToString()


def ask(channel: grpc.Channel, method: Method, request: bytes, timeout: float, metadata=(), compression=None) -> dict:
    """code, details, and response (a message, or bytes for an unknown method) when the code is OK."""
    kind = channel.stream_stream if method.is_streaming else channel.unary_unary
    call = kind(method.path, request_serializer=None, response_deserializer=None)
    try:
        if method.is_streaming:
            answer = next(call(iter([request]), timeout=timeout, metadata=metadata))
        else:
            answer = call(request, timeout=timeout, metadata=metadata, compression=compression)
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": (error.details() or "").encode("utf-8", "surrogateescape"),
                "trailers": " ".join(sorted(key for key, _ in error.trailing_metadata() or ()))}
    response = method.response_class.FromString(answer) if method.response_class else answer
    return {"code": "OK", "details": b"", "trailers": "", "response": response}
