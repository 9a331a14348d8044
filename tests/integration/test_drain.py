"""SIGTERM: not ready at once, everything under way answered, exit 0; and a clear end where starting fails."""
import signal
import time
import socket
import threading

import grpc
import pytest

from baton_server import BatonServer, wait_until
from stock_client import StockClient, half


@pytest.fixture
def flags(models_dir):
    return ["--model_name=m", f"--model_base_path={models_dir}/half_plus_two"]


def test_an_idle_server_ends_at_once_with_status_0(baton_binary, flags):
    with BatonServer(*flags) as server, StockClient(server.grpc_address) as client:
        assert half(client.predict("m", {"x": [2.0]})) == 3.0
        assert server.terminate(timeout=10) == 0


def test_readiness_goes_first_and_answers_go_on(baton_binary, flags):
    with BatonServer(*flags, "--drain_delay_seconds=2") as server, StockClient(server.grpc_address) as client:
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/readyz")[0] == 503, "readiness is off", timeout=1.5)
        assert server.get("/healthz")[0] == 200
        assert half(client.predict("m", {"x": [2.0]})) == 3.0
        assert server.post("/v1/models/m:predict", '{"instances":[2.0]}')[0] == 200
        assert server.wait_end() == 0


def test_no_call_that_was_taken_is_lost(baton_binary, flags):
    """Callers that hold their channels through the drain see answers, then UNAVAILABLE from a closed port, nothing else."""
    with BatonServer(*flags) as server:
        codes, answered = set(), threading.Semaphore(0)

        def call_until_refused() -> None:
            with StockClient(server.grpc_address) as client:
                while True:
                    try:
                        assert half(client.predict("m", {"x": [2.0]})) == 3.0
                        answered.release()
                    except grpc.RpcError as error:
                        answered.release()
                        codes.add((error.code(), "refused" in error.details().lower() or "goaway" in error.details().lower()
                                   or "connect" in error.details().lower()))
                        return

        callers = [threading.Thread(target=call_until_refused) for _ in range(4)]
        for caller in callers:
            caller.start()
        for _ in range(400):
            assert answered.acquire(timeout=10)
        assert server.terminate() == 0
        for caller in callers:
            caller.join(30)
        assert codes == {(grpc.StatusCode.UNAVAILABLE, True)}


def test_a_signal_while_models_are_awaited_ends_the_server(baton_binary, tmp_path):
    (tmp_path / "empty").mkdir()
    server = BatonServer("--model_name=m", f"--model_base_path={tmp_path}/empty").launch()
    try:
        wait_until(lambda: "Did you forget to name your leaf directory" in server.log_text(), "it looked for versions")
        assert server.terminate(timeout=10) == 0
    finally:
        server.kill()


@pytest.mark.parametrize("flags,text", [
    ([], "Both server_options.model_base_path and server_options.model_config_file are empty!"),
    (["--model_base_path=relative/path"], "Expected model default to have an absolute path or URI; got base_path()=relative/path"),
    (["--model_config_file=/nowhere/at/all"], "NOT_FOUND"),
], ids=["nothing to serve", "a relative path", "no config file"])
def test_a_start_that_cannot_work_says_so_and_exits_255(baton_binary, flags, text):
    server = BatonServer(*flags).launch()
    assert server.wait_end() == 255
    assert "Failed to start server. Error:" in server.log_text()
    assert text in server.log_text()


def test_a_run_that_does_not_end_holds_the_process_only_so_long(baton_binary, tmp_path):
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/1/echo.txt").write_text("x float [-1]\ndelay_us 120000000\n")
    with BatonServer("--model_name=m", f"--model_base_path={tmp_path}/m", "--drain_timeout_seconds=1") as server:
        with socket.create_connection(("127.0.0.1", server.rest_port)) as client:
            body = b'{"instances": [1.0]}'
            client.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            wait_until(lambda: b"\nbaton_running_calls 1\n" in server.get("/metrics")[2], "the run has begun")
            started = time.monotonic()
            assert server.terminate(timeout=40) == 0
            assert time.monotonic() - started < 20
        assert "Left with work that does not end" in server.log_text()
