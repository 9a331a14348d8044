"""Makes the models that conformance cases ask besides the recorded ones. Usage: make_models.py FOLDER

Small graphs in the classic style (tf.compat.v1) so that a signature can be as odd as a case needs, one in the style of TensorFlow 2,
and TensorFlow Lite files."""
import os
import pathlib
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import meta_graph_pb2  # noqa: E402

v1 = tf.compat.v1
PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{kind}" for kind in ("predict", "classify", "regress"))


def signature(inputs: dict, outputs: dict, method: str = PREDICT, defaults: dict | None = None) -> meta_graph_pb2.SignatureDef:
    made = meta_graph_pb2.SignatureDef(method_name=method)
    for names, tensors in ((made.inputs, inputs), (made.outputs, outputs)):
        for name, tensor in tensors.items():
            names[name].CopyFrom(v1.saved_model.utils.build_tensor_info(tensor))
    for name, value in (defaults or {}).items():
        made.defaults[name].CopyFrom(tf.make_tensor_proto(value))
    return made


def save(folder: pathlib.Path, signatures: dict, session, tags=("serve",)) -> None:
    builder = v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, list(tags), signature_def_map=signatures, clear_devices=True)
    builder.save()


def shapes(session) -> dict:
    """Layouts of answers: several outputs, ranks, rows that do not fit, types that JSON cannot say."""
    x = v1.placeholder(tf.float32, None)
    n = v1.placeholder(tf.int64, [None])
    s = v1.placeholder(tf.string, None)
    rows = tf.shape(x)[0]
    tag, sig = v1.placeholder(tf.string, [None]), v1.placeholder(tf.float32, [None, None])
    ones = tf.reshape(tf.ones_like(x), [rows, -1])[:, :1]
    a = tf.reshape(ones, [rows]) * 1.5
    b = tf.tile(tf.constant([[1, 2]]), [rows, 1])
    c = tf.tile(tf.constant([[[1], [2]]]), [rows, 1, 1])
    counted = tf.while_loop(lambda i, limit: i < limit, lambda i, limit: (i + 1, limit), [tf.constant(0, tf.int64), n[0]],
                            parallel_iterations=1)[0]
    same, said = tf.identity(x), tf.identity(s)
    return {
        "serving_default": signature({"x": x}, {"y": same}),
        "abc": signature({"x": x}, {"a": a, "b": b, "c": c}),
        "rank2_row": signature({"x": x}, {"c": c}),
        "tag_sig": signature({"tag": tag, "sig": sig}, {"tag_out": tf.identity(tag), "sig_out": tf.identity(sig)}),
        "img": signature({"img": s}, {"img_out": said}),
        "bytes_out": signature({"s": s}, {"s_bytes": said}),
        "b64_name": signature({"b64": s}, {"y": said}),
        "two_strings": signature({"p": v1.placeholder(tf.string, None, name="p"), "q": v1.placeholder(tf.string, None, name="q")},
                                 {"y": said}),
        "uneven": signature({"x": x}, {"all": same, "one": same[:1]}),
        "half_rows": signature({"x": x}, {"y": same[::2]}),
        "no_inputs": signature({}, {"y": tf.constant([1.0, 2.0])}),
        "no_outputs": signature({"x": x}, {}),
        "complex_out": signature({"x": x}, {"y": tf.cast(x, tf.complex64)}),
        "half_out": signature({"x": x}, {"y": tf.cast(x, tf.float16)}),
        "doubles": signature({"x": v1.placeholder(tf.float64, None, name="d")},
                             {"y": tf.identity(session.graph.get_tensor_by_name("d:0"))}),
        "third": signature({"x": x}, {"y": tf.cast(x, tf.float64) / 3}),
        "slow": signature({"n": n}, {"y": tf.reshape(counted, [1])}),
        "is_text": signature({"x": x}, {"y": tf.strings.as_string(x)}),
    }


def odd(session) -> dict:
    """Classify and Regress signatures that break one rule each."""
    e = v1.placeholder(tf.string, [None], name="examples")
    other = v1.placeholder(tf.string, [None], name="other")
    n = tf.size(e)
    n1, n2, n3 = (tf.stack([n, k]) for k in (1, 2, 3))

    def scores(shape, dtype=tf.float32):
        return tf.fill(shape, tf.constant(0.5, dtype) if dtype.is_floating else tf.constant(5, dtype))

    def classes(shape):
        return tf.fill(shape, "cat")

    def classify(outputs, inputs=None, method=CLASSIFY):
        return signature(inputs or {"inputs": e}, outputs, method)

    def regress(output, inputs=None, method=REGRESS):
        return signature(inputs or {"inputs": e}, output if isinstance(output, dict) else {"outputs": output}, method)

    return {
        "serving_default": classify({"classes": classes(n2), "scores": scores(n2)}),
        "pets": classify({"classes": tf.tile([["cat", "dog"]], [n, 1]), "scores": tf.tile([[0.9, 0.1]], [n, 1])}),
        "zero_scores": classify({"classes": classes(n2), "scores": tf.zeros(n2)}),
        "odd_scores": classify({"scores": tf.tile([[float("nan"), float("inf"), float("-inf")]], [n, 1])}),
        "no_classes": classify({"scores": tf.zeros(tf.stack([n, 0]))}),
        "two_inputs": classify({"scores": scores(n2)}, {"inputs": e, "other": other}),
        "three_outputs": classify({"classes": classes(n2), "scores": scores(n2), "extra": scores(n2)}),
        "wrong_key": classify({"scores": scores(n2)}, {"input": e}),
        "neither": classify({"logits": scores(n2)}),
        "one_known": classify({"scores": scores(n2), "logits": scores(n3)}),
        "flat_scores": classify({"scores": scores([n])}),
        "flat_classes": classify({"classes": classes([n])}),
        "deep_scores": classify({"scores": scores(tf.stack([n, 1, 1]))}),
        "int_classes": classify({"classes": scores(n2, tf.int64)}),
        "double_scores": classify({"scores": scores(n2, tf.float64)}),
        "short_classes": classify({"classes": tf.constant([["cat", "dog"]])}),
        "short_scores": classify({"scores": tf.constant([[0.9, 0.1]])}),
        "widths": classify({"classes": classes(n2), "scores": scores(n3)}),
        "failing": classify({"scores": tf.reshape(scores(n2), v1.placeholder_with_default([7, 1], [2]))}),
        "reg": regress(scores([n])),
        "reg_column": regress(scores(n1)),
        "reg_two_inputs": regress(scores([n]), {"inputs": e, "other": other}),
        "reg_two_outputs": regress({"outputs": scores([n]), "more": scores([n])}),
        "reg_wrong_key": regress(scores([n]), {"input": e}),
        "reg_wrong_output": regress({"values": scores([n])}),
        "reg_wide": regress(scores(n2)),
        "reg_deep": regress(scores(tf.stack([n, 1, 1]))),
        "reg_short": regress(tf.constant([1.0])),
        "reg_int": regress(scores([n], tf.int64)),
        "reg_scalar": regress(tf.constant(1.0)),
        "reg_nan": regress(tf.fill([n], float("nan"))),
        "custom_method": classify({"scores": scores(n2)}, method="my/method"),
        "predict_method": classify({"scores": scores(n2)}, method=PREDICT),
        "reg_predict_method": regress(scores([n]), method=PREDICT),
        "no_method": classify({"scores": scores(n2)}, method=""),
        "of_predict": signature({"examples": e}, {"n": tf.reshape(n, [1])}),
    }


def defaults(session) -> dict:
    x, y = v1.placeholder(tf.float32, [None], name="x"), v1.placeholder(tf.float32, [None], name="y")
    z = x + 10 * y
    return {"serving_default": signature({"x": x, "y": y}, {"z": z}, defaults={"y": [3.0]}),
            "both": signature({"x": x, "y": y}, {"z": z}, defaults={"x": [1.0], "y": [2.0]}),
            "none": signature({"x": x, "y": y}, {"z": z})}


def tags(session) -> dict:
    x = v1.placeholder(tf.float32, [None], name="x")
    return {"serving_default": signature({"x": x}, {"y": x * 2})}


def batch(session) -> dict:
    """What batching does to rows: which rows a batch had, outputs that do not keep rows, inputs of other lengths."""
    x = v1.placeholder(tf.float32, [None], name="x")
    m = v1.placeholder(tf.float32, [None, None], name="m")
    deep = v1.placeholder(tf.float32, None, name="deep")
    rows = tf.fill([tf.shape(x)[0]], tf.shape(x)[0])
    return {"serving_default": signature({"x": x}, {"y": x + 1}),
            "rows": signature({"x": x}, {"rows": rows}),
            "last": signature({"x": x}, {"last": tf.fill([tf.shape(x)[0]], x[-1])}),
            "wide": signature({"m": m}, {"sum": tf.reduce_sum(m, 1), "width": tf.fill([tf.shape(m)[0]], tf.shape(m)[1])}),
            "deep": signature({"deep": deep}, {"y": deep * 1}),
            "shrinks": signature({"x": x}, {"y": tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])}),
            "scalar": signature({"x": x}, {"y": tf.reduce_sum(x)}),
            "no_inputs": signature({}, {"y": tf.constant([1.0])})}


def codes(session) -> dict:
    """Operators that fail with one status code each."""
    path = v1.placeholder(tf.string, [], name="path")
    size = v1.placeholder(tf.int64, [], name="size")
    queue = tf.queue.FIFOQueue(1, [tf.float32], [[]], shared_name="closed")
    with tf.control_dependencies([queue.close()]):
        put = queue.enqueue(1.0)
    with tf.control_dependencies([put]):
        after = tf.identity(path)
    return {"read_file": signature({"path": path}, {"y": tf.io.read_file(path)}),
            "end_of_data": signature({"path": path}, {"y": v1.data.make_one_shot_iterator(tf.data.Dataset.range(0)).get_next()}),
            "enqueue": signature({"path": path}, {"y": after}),
            "inflate": signature({"path": path}, {"y": tf.io.decode_compressed(path, "ZLIB")}),
            "fill": signature({"size": size}, {"y": tf.fill([size], 1.0)})}


class HalfPlusTwo(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(self, x):
        return {"y": x * 0.5 + 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        return {"scores": x * 0.5 + 2.0}


def save_tf2(folder: pathlib.Path) -> None:
    model = HalfPlusTwo()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.predict, "classify_x_to_y": model.classify})


def with_embedded(content: bytes, names: list[str]) -> bytes:
    """The TensorFlow Lite file with a metadata entry of signatures of these names, as TensorFlow Serving looks for it."""
    from flatbuffers import flexbuffers
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    told = meta_graph_pb2.SignatureDef(method_name=PREDICT)
    for ports, name, index in ((told.inputs, "x", graph.inputs[0]), (told.outputs, "y", graph.outputs[0])):
        ports[name].name, ports[name].dtype = graph.tensors[index].name.decode(), tf.float32.as_datatype_enum
        ports[name].tensor_shape.dim.add(size=-1)
    packed = flexbuffers.Builder()
    with packed.Map():
        for name in names:
            packed.Key(name)
            packed.Blob(told.SerializeToString())
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(packed.Finish())
    entry.name, entry.buffer = b"signature_defs_metadata", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def save_lite(root: pathlib.Path, tf2: pathlib.Path) -> None:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tf2), signature_keys=["serving_default"])
    plain = converter.convert()
    files = {"lite_signatures": with_embedded(plain, ["serving_default", "serving_other"]), "lite_plain": plain,
             "lite_garbage": b"no model"}
    for name, content in files.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1/model.tflite").write_bytes(content)


CLASSIC = {"shapes": shapes, "odd": odd, "defaults": defaults, "batch": batch, "codes": codes}


def make(root: pathlib.Path) -> None:
    for name, build in CLASSIC.items():
        with v1.Graph().as_default(), v1.Session() as session:
            save(root / name / "1", build(session), session)
    with v1.Graph().as_default(), v1.Session() as session:
        save(root / "tags" / "1", tags(session), session, tags=("serve", "gpu"))
    save_tf2(root / "tf2" / "1")
    save_lite(root, root / "tf2" / "1")


def main() -> None:
    """Makes them beside their place and renames, so that the folder is whole or not there."""
    goal = pathlib.Path(sys.argv[1]).resolve()
    aside = goal.with_name(f".{goal.name}-{os.getpid()}")
    try:
        make(aside)
        if not goal.exists():
            aside.rename(goal)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


if __name__ == "__main__":
    main()
