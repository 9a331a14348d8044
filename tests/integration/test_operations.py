"""What an operator meets: metrics, logs, compressed answers, switched-off interfaces, versions and usage texts."""
import gzip
import json
import subprocess

import grpc
import pytest
from baton_server import BINARY, BatonServer
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

BODY = json.dumps({"instances": [1.0, 2.0, 5.0]})
PREDICT = "/v1/models/m:predict"


@pytest.fixture(scope="module")
def flags(baton_binary, models_dir) -> list[str]:
    return ["--model_name=m", f"--model_base_path={models_dir / 'half_plus_two'}"]


def metric(text: str, name: str, **labels) -> float:
    """The value of the one series of `name` that has these labels."""
    found = [line for line in text.splitlines()
             if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items())]
    assert len(found) == 1, found
    return float(found[0].rsplit(" ", 1)[1])


def test_metrics_count_and_time_requests_by_version_and_signature(flags):
    with BatonServer(*flags) as server:
        for _ in range(3):
            assert server.post(PREDICT, BODY)[0] == 200
        assert server.post(PREDICT, "{")[0] == 400
        assert server.post("/v1/models/nosuch:predict", BODY)[0] == 404
        status, headers, body = server.get("/metrics")
        text = body.decode()
        assert status == 200 and headers["content-type"].startswith("text/plain")
        common = {"model": "m", "version": "123", "signature": "serving_default", "entrypoint": "rest"}
        assert metric(text, "baton_requests_total", code="OK", **common) == 3
        assert metric(text, "baton_request_duration_seconds_count", **common) == 3
        assert metric(text, "baton_model_state", model="m", version="123") == 30
        assert 'model="nosuch"' not in text  # clients cannot make series
        assert metric(text, "baton_requests_total", model="", code="NOT_FOUND") == 1


def test_metrics_page_is_read_by_the_stock_parser(flags):
    from prometheus_client import parser
    with BatonServer(*flags) as server:
        server.post(PREDICT, BODY)
        families = {f.name for f in parser.text_string_to_metric_families(server.get("/metrics")[2].decode())}
    assert {"baton_requests", "baton_request_duration_seconds", "process_resident_memory_bytes"} <= families


def test_json_log_has_one_object_a_line(flags):
    with BatonServer("--log_format=json", *flags) as server:
        lines = [line for line in server.log_text().splitlines() if line.startswith("{")]
    records = [json.loads(line) for line in lines]
    assert any("Successfully loaded servable version" in record["message"] for record in records)
    assert all({"time", "severity", "where", "message"} <= record.keys() for record in records)


def test_rest_compresses_both_ways_when_asked(flags):
    many = json.dumps({"instances": [1.0] * 2000})
    with BatonServer("--rest_api_gzip_replies", *flags) as server:
        status, headers, plain = server.post(PREDICT, many)
        assert (status, headers.get("content-encoding")) == (200, None)
        packed = gzip.compress(many.encode())
        status, headers, body = server.post(
            PREDICT, packed, headers={"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
        assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
        assert gzip.decompress(body) == plain
    with BatonServer(*flags) as server:  # as TensorFlow Serving: never unless the operator said so
        assert "content-encoding" not in server.post(PREDICT, many, headers={"Accept-Encoding": "gzip"})[1]


def test_reload_over_the_network_can_be_switched_off(flags):
    with BatonServer("--allow_reload_rpc=false", *flags) as server:
        with grpc.insecure_channel(server.grpc_address) as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            request = model_management_pb2.ReloadConfigRequest()
            request.config.model_config_list.SetInParent()
            with pytest.raises(grpc.RpcError) as error:
                stub.HandleReloadConfigRequest(request, timeout=5)
            assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
            assert "--allow_reload_rpc" in error.value.details()
        assert server.post(PREDICT, BODY)[0] == 200  # nothing was unloaded


def run(*arguments: str, program=BINARY) -> subprocess.CompletedProcess:
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


def test_both_names_of_the_program_print_the_two_version_lines(baton_binary):
    for done in (run("serve", "--version"), run("version"),
                 run("--version", program=BINARY.parent / "tensorflow_model_server")):
        assert done.returncode == 0
        first, second = done.stdout.splitlines()
        assert first.startswith("TensorFlow ModelServer: 2.") and second.startswith("TensorFlow Library: 2.21")


def test_help_and_bad_flags_print_usage_and_exit_255(baton_binary):
    asked = run("serve", "--help")
    assert asked.returncode == 255 and asked.stdout.startswith(f"usage: {BINARY} serve\nFlags:\n\t--port=8500")
    bad = run("serve", "--port=eighty")
    assert bad.returncode == 255 and bad.stdout.startswith("usage: ")
    assert "Couldn't interpret value eighty for flag port." in bad.stderr


def test_an_unknown_flag_is_reported_and_start_up_goes_on(flags):
    with BatonServer("--no_such_flag=1", *flags) as server:
        assert "unknown argument: --no_such_flag=1\nusage: " in server.log_text()
        assert server.post(PREDICT, BODY)[0] == 200


def test_an_unknown_command_is_named(baton_binary):
    done = run("sreve")
    assert done.returncode == 2 and 'unknown command "sreve"' in done.stderr and "usage: baton" in done.stderr
