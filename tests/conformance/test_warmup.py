"""Warm-up files as recorded of a real server, and what the contract (section 7) says beyond the record."""
import json
import pathlib
import shutil

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2

from baton_server import BatonServer
from recorded import OBSERVED, Exemption, difference, parse_json

RECORDED = json.loads((OBSERVED / "warmup.json").read_text())
CASES = [(name, flag) for name, flags in RECORDED.items() for flag in flags]

PREDICT = ('predict_log { request { model_spec { %s } inputs { key: "%s" value { dtype: %s tensor_shape { dim { size: 1 } } '
           '%s: 1 } } } }')
EXAMPLES = ('input { example_list { examples { features { feature { key: "x" value { float_list { value: 2 } } } } } } }')


def log(text: str) -> bytes:
    return text_format.Parse(text, prediction_log_pb2.PredictionLog()).SerializeToString()


def predict(spec: str = 'name: "m"', name: str = "x", dtype: str = "DT_FLOAT", field: str = "float_val") -> bytes:
    return log(PREDICT % (spec, name, dtype, field))


ALL_KINDS = [
    predict(),
    log(f'classify_log {{ request {{ model_spec {{ signature_name: "classify_x_to_y" }} {EXAMPLES} }} }}'),
    log(f'regress_log {{ request {{ model_spec {{ signature_name: "regress_x_to_y" }} {EXAMPLES} }} }}'),
    log('multi_inference_log { request { '
        'tasks { model_spec { name: "m" signature_name: "classify_x_to_y" } method_name: "tensorflow/serving/classify" } '
        'tasks { model_spec { name: "m" signature_name: "regress_x_to_y" } method_name: "tensorflow/serving/regress" } '
        f'{EXAMPLES} }} }}'),
]
RECORDS = {
    "predict": [predict()],
    "all_kinds": ALL_KINDS,
    "session_run": [log('session_run_log { request { model_spec { name: "m" } } }')],
    "empty_log": [log("log_metadata { timestamp_secs: 1 }"), b""],
    "1000": [predict()] * 1000,
    "1001": [predict()] * 1001,
    "other_model": [predict('name: "other"')],
    "no_spec": [predict("")],
    "bad_sig": [predict('name: "m" signature_name: "zz"')],
    "bad_input": [predict(name="z")],
    "bad_dtype": [predict(dtype="DT_INT32", field="int_val")],
    "good_then_bad": [predict(), predict('signature_name: "zz"')],
    "bytes_not_proto": [b"\xff\xff\xff"],
    "other_version": [predict('name: "m" version { value: 99 }')],
    "label": [predict('name: "m" version_label: "nobody"')],
}


def write_records(path: pathlib.Path, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


@pytest.fixture
def base(tmp_path, models_dir) -> pathlib.Path:
    """A base path with version 1, whose warm-up file a test writes."""
    folder = tmp_path / "m"
    shutil.copytree(models_dir / "half_plus_two/123", folder / "1")
    (folder / "1/assets.extra").mkdir()
    return folder


def warmup_file(base: pathlib.Path) -> pathlib.Path:
    return base / "1/assets.extra/tf_serving_warmup_requests"


def write_case(name: str, path: pathlib.Path) -> None:
    if name == "empty_file":
        path.write_bytes(b"")
    elif name == "not_tfrecord":
        path.write_bytes(b"this is not a TFRecord file at all")
    elif name == "truncated":
        write_records(path, [predict()])
        path.write_bytes(path.read_bytes()[:-7])
    else:
        write_records(path, RECORDS[name])


def server_of(base: pathlib.Path, *flags: str) -> BatonServer:
    return BatonServer("--model_name=m", f"--model_base_path={base}", "--max_num_load_retries=0", *flags)


@pytest.mark.parametrize("name,flag", CASES)
def test_goes_as_recorded(name, flag, base, baton_binary):
    recorded = RECORDED[name][flag] | (Exemption.of("warmup", name).expect or {})
    write_case(name, warmup_file(base))
    server = server_of(base, *([] if flag == "default" else [flag]))
    status, body = recorded["status"]
    if status == 0:
        server.launch()
        assert server.wait_end() == 255
        lines = server.log_bytes().decode("latin-1").splitlines()
        for line in recorded["stdout"]:
            assert line.replace("@BASE@", str(base)) in lines
        return
    with server:
        ours = server.get("/v1/models/m")
        assert ours[0] == status
        assert difference(json.loads(body), parse_json(ours[2])) is None


def test_without_a_file_nothing_is_replayed(base, baton_binary):
    with server_of(base) as server:
        assert f"No warmup data file found at {warmup_file(base)}" in server.log_text()


def test_switched_off_it_does_not_look_at_the_file(base, baton_binary):
    write_case("not_tfrecord", warmup_file(base))
    with server_of(base, "--enable_model_warmup=false") as server:
        assert "warmup data" not in server.log_text()


def test_says_what_it_did(base, baton_binary, tmp_path):
    write_records(warmup_file(base), [predict('name: "recorded"')] * 2 + ALL_KINDS[1:])
    monitoring = tmp_path / "monitoring"
    monitoring.write_text('prometheus_config { enable: true path: "/metrics-here" }')
    with server_of(base, "--num_request_iterations_for_warmup=3", f"--monitoring_config_file={monitoring}") as server:
        text = server.log_text()
        assert (f"Starting to read warmup data for model at {warmup_file(base)} with model-warmup-options "
                "num_request_iterations { value: 3 }") in text
        assert (f"Finished reading warmup data for model at {warmup_file(base)}. Number of warmup records read: 5. "
                "Elapsed time (microseconds): ") in text
        page = server.get("/metrics-here")[2].decode()
        labels = f'{{model_path="{base}/1",status="OK"}}'
        assert f":tensorflow:serving:model_warmup_records_read{labels} 5\n" in page
        assert f":tensorflow:serving:model_warmup_latency_count{labels} 1\n" in page
        runs = ":tensorflow:serving:runtime_latency_count{model_name=\"%s\",API=\"%s\",runtime=\"TF1\"} %d\n"
        assert runs % ("recorded", "Predict", 6) in page
        assert runs % ("", "Classify", 3) in page
        assert runs % ("", "Regress", 3) in page


def test_a_failed_warm_up_is_retried_and_its_repair_is_seen(base, baton_binary):
    write_case("bad_sig", warmup_file(base))
    server = BatonServer("--model_name=m", f"--model_base_path={base}", "--max_num_load_retries=1",
                         "--load_retry_interval_micros=100000").launch()
    assert server.wait_end() == 255
    assert server.log_text().count("Starting to read warmup data") == 2


def test_batched_like_any_other_request(base, baton_binary, tmp_path):
    write_case("all_kinds", warmup_file(base))
    batching = tmp_path / "batching"
    batching.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 1000 } num_batch_threads { value: 1 } "
                        "allowed_batch_sizes: 2 allowed_batch_sizes: 4")
    with server_of(base, "--enable_batching", f"--batching_parameters_file={batching}") as server:
        assert "Number of warmup records read: 4." in server.log_text()
