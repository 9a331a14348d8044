"""tensorflow.ProfilerService with TensorFlow's own client (contract 13.1, row 27), and what only we promise of it."""
import subprocess
import threading

import grpc
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from baton_server import BatonServer, ROOT, wait_until
from stock_client import StockClient

SERVICE = "/tensorflow.ProfilerService/"


@pytest.fixture(scope="module")
def server(baton_binary, models_dir):
    with BatonServer(f"--model_base_path={models_dir / 'half_plus_two'}", "--model_name=half") as running:
        yield running


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """The message classes of our schema; TensorFlow ships no Python module for it."""
    out = tmp_path_factory.mktemp("profiler") / "service.pb"
    schema = "tsl/profiler/protobuf/profiler_service.proto"
    subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", "--include_imports", f"--descriptor_set_out={out}", schema],
                   check=True)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.{name}"))


@pytest.fixture(scope="module")
def call(server, messages):
    """call("Profile", request, ...) -> a future of the answer."""
    with grpc.insecure_channel(server.grpc_address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        def start(method: str, request, timeout: float = 30.0):
            stub = channel.unary_unary(SERVICE + method, request_serializer=lambda m: m.SerializeToString(),
                                       response_deserializer=messages(f"{method}Response").FromString)
            return stub.future(request, timeout=timeout)

        yield start


@pytest.fixture()
def traffic(server):
    """REST predicts for as long as the test runs."""
    over, failures = threading.Event(), []

    def ask() -> None:
        while not over.is_set():
            status, _, body = server.post("/v1/models/half:predict", '{"instances": [2.0]}')
            if status != 200:
                failures.append(body)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    over.set()
    thread.join()
    assert not failures


def short(messages, **fields):
    request = messages("ProfileRequest")(**fields)
    request.opts.version, request.opts.host_tracer_level, request.opts.duration_ms = 1, 2, 100
    return request


def code_of(future) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        future.result()
    return error.value.code(), error.value.details()


def test_27_tensorflows_client_takes_a_trace(server, traffic, tmp_path, messages):
    tf.profiler.experimental.client.trace(f"grpc://{server.grpc_address}", str(tmp_path), 1000, num_tracing_attempts=10)
    [trace] = (tmp_path / "plugins/profile").glob("*/*.xplane.pb")
    assert trace.name == server.grpc_address.replace(":", "_") + ".xplane.pb"
    assert b"SessionRun" in trace.read_bytes()


def test_the_trace_goes_back_in_the_answer_and_nowhere_else(server, traffic, call, messages, tmp_path):
    answer = call("Profile", short(messages, repository_root=str(tmp_path), session_id="s", host_name="h")).result()
    assert [tool.name for tool in answer.tool_data] == ["xplane.pb"]
    assert not answer.empty_trace
    assert list(tmp_path.iterdir()) == []
    as_message = call("Profile", short(messages, emit_xspace=True)).result()
    assert not as_message.tool_data
    assert any(plane.name == "/host:CPU" for plane in as_message.xspace.planes)


def test_one_trace_at_a_time_and_terminate_ends_it(call, messages, server):
    long = messages("ProfileRequest")(duration_ms=50_000, session_id="long")
    running = call("Profile", long, timeout=60)

    def is_busy() -> bool:
        second = call("Profile", short(messages))
        return isinstance(second.exception(), grpc.RpcError)

    wait_until(is_busy, "the long trace runs")
    assert code_of(call("Profile", short(messages))) == (grpc.StatusCode.INTERNAL, "Another profiling session active.")
    # Requests are answered meanwhile, on every loop.
    with StockClient(server.grpc_address) as client:
        for _ in range(20):
            client.predict("half", {"x": tf.constant([1.0])}, timeout=5)
    call("Terminate", messages("TerminateRequest")(session_id="another")).result()
    assert not running.done()
    call("Terminate", messages("TerminateRequest")(session_id="long")).result()
    assert running.result().tool_data


def test_a_client_that_leaves_takes_its_trace_along(call, messages):
    gone = call("Profile", messages("ProfileRequest")(duration_ms=50_000))
    wait_until(lambda: isinstance(call("Profile", short(messages)).exception(), grpc.RpcError), "the trace runs")
    gone.cancel()
    wait_until(lambda: call("Profile", short(messages)).exception() is None, "the next one can be taken")


def test_refusals(call, messages):
    assert code_of(call("Profile", messages("ProfileRequest")(duration_ms=60_001))) == (
        grpc.StatusCode.INVALID_ARGUMENT, "a trace of 60001 ms is too long; at most 60000 ms are allowed")
    assert code_of(call("Monitor", messages("MonitorRequest")(duration_ms=1))) == (
        grpc.StatusCode.UNIMPLEMENTED, "unimplemented.")


def test_the_flag_switches_it_off(baton_binary, models_dir, messages):
    with BatonServer(f"--model_base_path={models_dir / 'half_plus_two'}", "--enable_profiler=false") as off:
        with grpc.insecure_channel(off.grpc_address) as channel:
            stub = channel.unary_unary(SERVICE + "Profile")
            with pytest.raises(grpc.RpcError) as error:
                stub(b"", timeout=10)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
