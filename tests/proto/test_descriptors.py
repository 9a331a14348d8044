"""Our wire schemas say what the published packages say.

The schemas under proto/ are written by us. Here protoc compiles them, and every message, field (number, type, label,
presence, oneof, JSON name), enum value and service method is compared with the descriptors inside tensorflow-serving-api,
tensorflow, grpcio-health-checking and grpcio-reflection. A difference must be named, with its reason, in KNOWN.
"""

import importlib
import importlib.util
import pathlib
import subprocess
import sys
import types

import pytest
from embedded_descriptors import embedded_descriptor
from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"

# Things of theirs that we leave out, by full name; everything below a name is left out with it.
KNOWN = {
    "tensorflow.SerializedDType": "used by tf.data only",
    "tensorflow.SequenceExample": "no serving API takes one",
    "tensorflow.FeatureList": "part of SequenceExample",
    "tensorflow.FeatureLists": "part of SequenceExample",
    "tensorflow.MetaGraphDef": "graphs are the engine's business",
    "tensorflow.CollectionDef": "part of MetaGraphDef",
    "tensorflow.AssetFileDef": "part of MetaGraphDef",
    "tensorflow.TensorConnection": "part of CallableOptions",
    "tensorflow.CallableOptions": "no serving API takes them",
    "tensorflow.RunOptions.debug_options": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunOptions.experimental": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunOptions.Experimental": "SessionService is not served",
    "tensorflow.RunMetadata.step_stats": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunMetadata.cost_graph": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunMetadata.partition_graphs": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunMetadata.function_graphs": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunMetadata.session_metadata": "SessionService is not served; kept as an unknown field",
    "tensorflow.RunMetadata.FunctionGraphs": "SessionService is not served",
    "tensorflow.RemoteProfilerSessionManagerOptions": "the profiler client's own",
    "tensorflow.ProfilerService/StartContinuousProfiling": "newer than TensorFlow Serving's profiler",
    "tensorflow.ProfilerService/StopContinuousProfiling": "newer than TensorFlow Serving's profiler",
    "tensorflow.ProfilerService/GetSnapshot": "newer than TensorFlow Serving's profiler",
    "tensorflow.ContinuousProfilingResponse": "part of StartContinuousProfiling",
    "tensorflow.StopContinuousProfilingRequest": "part of StopContinuousProfiling",
    "tensorflow.StopContinuousProfilingResponse": "part of StopContinuousProfiling",
    "tensorflow.GetSnapshotRequest": "part of GetSnapshot",
}

# Files of ours that no package has: (file, what it must define). Facts from the contract, section 2.7.
UNPUBLISHED = {
    "tensorflow_serving/config/monitoring_config.proto": {
        "tensorflow.serving.PrometheusConfig.enable": "1 bool",
        "tensorflow.serving.PrometheusConfig.path": "2 string",
        "tensorflow.serving.MonitoringConfig.prometheus_config": "1 .tensorflow.serving.PrometheusConfig",
    },
    "tensorflow_serving/config/ssl_config.proto": {
        "tensorflow.serving.SSLConfig.server_key": "1 string",
        "tensorflow.serving.SSLConfig.server_cert": "2 string",
        "tensorflow.serving.SSLConfig.custom_ca": "3 string",
        "tensorflow.serving.SSLConfig.client_verify": "4 bool",
    },
    "tensorflow_serving/config/thread_pool_factory_config.proto": {
        "tensorflow.serving.ThreadPoolFactoryConfig.thread_pool_factory_config": "1 .google.protobuf.Any",
    },
    "tensorflow_serving/servables/tensorflow/session_bundle_config.proto": {
        "tensorflow.serving.SavedModelBundleSourceAdapterConfig.legacy_config": "1000 .tensorflow.serving.SessionBundleConfig",
        "tensorflow.serving.SessionBundleConfig.session_target": "1 string",
        "tensorflow.serving.SessionBundleConfig.session_config": "2 .tensorflow.ConfigProto",
        "tensorflow.serving.SessionBundleConfig.batching_parameters": "3 .tensorflow.serving.BatchingParameters",
        "tensorflow.serving.SessionBundleConfig.session_run_load_threadpool_index": "4 .google.protobuf.Int32Value",
        "tensorflow.serving.SessionBundleConfig.experimental_transient_ram_bytes_during_load": "5 uint64",
        "tensorflow.serving.SessionBundleConfig.saved_model_tags": "6 string repeated",
        "tensorflow.serving.SessionBundleConfig.in_graph_batching_parameters": "7 .tensorflow.BatchingOptions",
        "tensorflow.serving.SessionBundleConfig.experimental_fixed_input_tensors": "778 .tensorflow.NamedTensorProto repeated",
        "tensorflow.serving.SessionBundleConfig.enable_model_warmup": "779 bool",
        "tensorflow.serving.SessionBundleConfig.model_warmup_options": "780 .tensorflow.serving.ModelWarmupOptions",
        "tensorflow.serving.SessionBundleConfig.enable_session_metadata": "781 bool",
        "tensorflow.serving.SessionBundleConfig.remove_unused_fields_from_bundle_metagraph": "782 bool",
        "tensorflow.serving.SessionBundleConfig.prefer_tflite_model": "783 bool",
        "tensorflow.serving.SessionBundleConfig.resource_estimation_uses_validation_result": "784 bool",
        "tensorflow.serving.SessionBundleConfig.num_tflite_interpreters": "785 int32",
        "tensorflow.serving.SessionBundleConfig.num_tflite_interpreters_per_pool": "786 int32",
        "tensorflow.serving.SessionBundleConfig.num_tflite_pools": "787 int32",
        "tensorflow.serving.SessionBundleConfig.wrap_session_with_no_threading_params": "788 bool",
        "tensorflow.serving.SessionBundleConfig.enable_per_model_batching_params": "789 bool",
        "tensorflow.serving.SessionBundleConfig.enable_saved_model_config": "790 bool",
        "tensorflow.serving.SessionBundleConfig.mixed_precision": "791 string",
        "tensorflow.serving.ModelWarmupOptions.num_request_iterations": "1 .google.protobuf.Int32Value",
        "tensorflow.serving.ModelWarmupOptions.num_model_warmup_threads": "2 .google.protobuf.Int32Value",
        "tensorflow.serving.ModelWarmupOptions.model_name": "3 string",
        "tensorflow.serving.ModelWarmupOptions.model_version": "4 int64",
        "tensorflow.serving.ModelWarmupOptions.enable_all_batch_sizes_warmup": "5 bool",
        "tensorflow.serving.BatchingParameters.max_batch_size": "1 .google.protobuf.Int64Value",
        "tensorflow.serving.BatchingParameters.batch_timeout_micros": "2 .google.protobuf.Int64Value",
        "tensorflow.serving.BatchingParameters.max_enqueued_batches": "3 .google.protobuf.Int64Value",
        "tensorflow.serving.BatchingParameters.num_batch_threads": "4 .google.protobuf.Int64Value",
        "tensorflow.serving.BatchingParameters.thread_pool_name": "5 .google.protobuf.StringValue",
        "tensorflow.serving.BatchingParameters.allowed_batch_sizes": "6 int64 repeated",
        "tensorflow.serving.BatchingParameters.pad_variable_length_inputs": "7 bool",
        "tensorflow.serving.BatchingParameters.enable_large_batch_splitting": "8 .google.protobuf.BoolValue",
        "tensorflow.serving.BatchingParameters.max_execution_batch_size": "9 .google.protobuf.Int64Value",
    },
}

# Packages that keep a file under another path than ours, or only in another version.
MODULE_OF = {
    "grpc/health/v1/health.proto": ("grpc_health.v1.health_pb2", None),
    "grpc/reflection/v1alpha/reflection.proto": ("grpc_reflection.v1alpha.reflection_pb2", None),
    # grpcio-reflection has v1alpha only; v1 is the same under another package name.
    "grpc/reflection/v1/reflection.proto": (
        "grpc_reflection.v1alpha.reflection_pb2",
        ("grpc.reflection.v1alpha", "grpc.reflection.v1"),
    ),
}

FIELD_TYPES = {v: k[5:].lower() for k, v in descriptor_pb2.FieldDescriptorProto.Type.items()}


def our_paths():
    return sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    out = tmp_path_factory.mktemp("descriptors") / "ours.pb"
    subprocess.run(
        ["protoc", f"--proto_path={PROTO}", f"--descriptor_set_out={out}", "--include_imports", *our_paths()],
        check=True,
    )
    files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    return {f.name: f for f in files}


def _stand_in_for_tensorflow():
    # The generated modules need nothing of TensorFlow but its folder; importing the package takes seconds.
    if "tensorflow" not in sys.modules:
        spec = importlib.util.find_spec("tensorflow")
        package = types.ModuleType("tensorflow")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["tensorflow"] = package


def theirs_for(path):
    """The facts of their schema for one of our paths."""
    _stand_in_for_tensorflow()
    if path.startswith("tsl/"):
        return facts_of(embedded_descriptor(sys.modules["tensorflow"].__path__[0], path))
    module, rename = MODULE_OF.get(path, (path[: -len(".proto")].replace("/", ".") + "_pb2", None))
    if path.startswith("xla/"):
        # TensorFlow's package has no modules for these, but for files that import them.
        importers = {"error_codes": "error_codes", "rpc_options": "rpc_options", "coordination_config": "config"}
        module = f"tensorflow.core.protobuf.{importers[path.split('/')[-1][:-len('.proto')]]}_pb2"
    descriptor = importlib.import_module(module).DESCRIPTOR
    if path.startswith("xla/"):
        descriptor = next(d for d in descriptor.dependencies if d.name == path)
    file = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(file)
    facts = facts_of(file)
    return {k.replace(*rename): v.replace(*rename) for k, v in facts.items()} if rename else facts


def field_fact(message, field):
    words = [str(field.number), field.type_name or FIELD_TYPES[field.type]]
    if field.label == field.LABEL_REPEATED:
        words.append("repeated")
    if field.proto3_optional:
        words.append("optional")
    elif field.HasField("oneof_index"):
        words.append("oneof " + message.oneof_decl[field.oneof_index].name)
    if field.options.HasField("packed"):
        words.append(f"packed={field.options.packed}")
    # Generated Python descriptors leave out the JSON name where it is the usual one.
    camel = "".join(w if i == 0 else w[:1].upper() + w[1:] for i, w in enumerate(field.name.split("_")))
    if field.json_name and field.json_name != camel:
        words.append("json " + field.json_name)
    return " ".join(words)


def facts_of(file):
    """Everything a schema says that a peer could notice: full name -> description."""
    facts = {}

    def reserved(ranges):
        return " reserved " + ",".join(f"{r.start}-{r.end}" for r in sorted(ranges, key=lambda r: r.start)) if ranges else ""

    def enum(prefix, e):
        name = f"{prefix}.{e.name}"
        facts[name] = "enum" + reserved(e.reserved_range)
        for value in e.value:
            facts[f"{name}.{value.name}"] = f"= {value.number}"

    def message(prefix, m):
        name = f"{prefix}.{m.name}"
        facts[name] = ("map entry" if m.options.map_entry else "message") + reserved(m.reserved_range)
        for field in m.field:
            facts[f"{name}.{field.name}"] = field_fact(m, field)
        for e in m.enum_type:
            enum(name, e)
        for nested in m.nested_type:
            message(name, nested)

    for m in file.message_type:
        message(file.package, m)
    for e in file.enum_type:
        enum(file.package, e)
    for service in file.service:
        for method in service.method:
            facts[f"{file.package}.{service.name}/{method.name}"] = (
                f"{method.input_type}{' stream' * method.client_streaming} -> "
                f"{method.output_type}{' stream' * method.server_streaming}"
            )
    facts["package"] = f"{file.package} {file.syntax}"
    return facts


def is_known(name):
    return any(name == known or name.startswith(known + ".") for known in KNOWN)


@pytest.mark.parametrize("path", [p for p in our_paths() if p not in UNPUBLISHED])
def test_schema_equals_the_published_one(ours, path):
    mine = facts_of(ours[path])
    theirs = theirs_for(path)
    missing = {k: v for k, v in theirs.items() if k not in mine and not is_known(k)}
    extra = {k: v for k, v in mine.items() if k not in theirs}
    different = {k: (mine[k], theirs[k]) for k in mine.keys() & theirs.keys() if mine[k] != theirs[k]}
    assert not missing and not extra and not different


@pytest.mark.parametrize("path", sorted(UNPUBLISHED))
def test_unpublished_schema_equals_the_contract(ours, path):
    fields = {k: v for k, v in facts_of(ours[path]).items() if v[0].isdigit()}
    assert fields == UNPUBLISHED[path]


def test_every_published_serving_schema_is_ours_too():
    _stand_in_for_tensorflow()
    folder = pathlib.Path(importlib.util.find_spec("tensorflow_serving").submodule_search_locations[0])
    published = {str(p.relative_to(folder.parent))[: -len("_pb2.py")] + ".proto" for p in folder.rglob("*_pb2.py")}
    assert published - set(our_paths()) == set()


def test_every_known_difference_still_exists(ours):
    all_ours, all_theirs = set(), set()
    for path in our_paths():
        all_ours |= set(facts_of(ours[path]))
        if path not in UNPUBLISHED:
            all_theirs |= set(theirs_for(path))
    stale = {name for name in KNOWN if name in all_ours or name not in all_theirs}
    assert stale == set()
