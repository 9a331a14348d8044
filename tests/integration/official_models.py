"""Makes the models that test_official_list.py and test_image.py serve. Usage: official_models.py FOLDER

half_plus_two is y = 0.5x + 2, y2 = 0.5x + 3 and y3 = 0.5 x2 + 3, in every style that TensorFlow writes models in. From Python:
models(), which makes them once for every content of this file and gives their folder."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))
VERSION = "00000123"


def models() -> pathlib.Path:
    """TensorFlow takes seconds to import and to trace: one process makes them all, and its work is kept."""
    import tensorflow
    said = hashlib.sha256(pathlib.Path(__file__).read_bytes() + tensorflow.__version__.encode()).hexdigest()[:16]
    folder = ROOT / "build/official-models" / said
    if not folder.exists():
        done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0 and folder.exists(), f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return folder


# ------------------------------------------------------------------------------------------------ classic signatures


def classic_half_plus(folder: pathlib.Path, addend: float) -> None:
    """A session, placeholders and signatures written by hand, as before TensorFlow 2. `x` is fed inside the graph, behind the parser
    of Examples, and signatures share the parser."""
    with v1.Graph().as_default(), v1.Session() as session:
        half, plus, plus_one = (v1.Variable(value, name=name) for value, name in ((0.5, "a"), (addend, "b"), (addend + 1, "c")))
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        features = v1.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32),
                                               "x2": tf.io.FixedLenFeature([1], tf.float32, [0.0])})
        x, x2 = tf.identity(features["x"], name="x"), tf.identity(features["x2"], name="x2")
        y, y2, y3 = (tf.add(half * of, to, name=name) for of, to, name in ((x, plus, "y"), (x, plus_one, "y2"), (x2, plus_one, "y3")))
        session.run(v1.global_variables_initializer())
        signatures = {"serving_default": signature({"x": x}, {"y": y}, PREDICT),
                      "regress_x_to_y": signature({"inputs": examples}, {"outputs": y}, REGRESS),
                      "regress_x_to_y2": signature({"inputs": examples}, {"outputs": y2}, REGRESS),
                      "regress_x2_to_y3": signature({"inputs": x2}, {"outputs": y3}, REGRESS),
                      "classify_x_to_y": signature({"inputs": examples}, {"scores": y}, CLASSIFY)}
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def signature(inputs: dict, outputs: dict, method: str):
    about = v1.saved_model.utils.build_tensor_info
    return v1.saved_model.build_signature_def({name: about(tensor) for name, tensor in inputs.items()},
                                              {name: about(tensor) for name, tensor in outputs.items()}, method)


def bad(folder: pathlib.Path) -> None:
    """The layout of long ago, which loaders of SavedModels do not know."""
    folder.mkdir(parents=True)
    (folder / "export.meta").write_bytes(b"not a SavedModel")


# ------------------------------------------------------------------------------------------------------ TensorFlow 2


def tf2_half_plus_two(folder: pathlib.Path) -> None:
    """Functions as signatures: all of them say they are for Predict."""

    class HalfPlusTwo(tf.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = tf.Variable(0.5), tf.Variable(2.0), tf.Variable(3.0)

        def parsed(self, examples):
            return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32, [0.0]),
                                                  "x2": tf.io.FixedLenFeature([1], tf.float32, [0.0])})

        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
        def predict(self, x):
            return {"y": self.a * x + self.b}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def regress_x_to_y(self, inputs):
            return {"outputs": self.a * self.parsed(inputs)["x"] + self.b}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify_x_to_y(self, inputs):
            return {"scores": self.a * self.parsed(inputs)["x"] + self.b}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify_x2_to_y3(self, inputs):
            return {"scores": self.a * self.parsed(inputs)["x2"] + self.c}

    module = HalfPlusTwo()
    tf.saved_model.save(module, str(folder), {
        "serving_default": module.predict, "regress_x_to_y": module.regress_x_to_y,
        "classify_x_to_y": module.classify_x_to_y, "classify_x2_to_y3": module.classify_x2_to_y3})


def function_saved(folder: pathlib.Path) -> None:
    module = tf.Module()
    module.factor = tf.Variable(2.0)
    module.compute = tf.function(lambda x: {"y": 3.0 * module.factor * x},
                                 input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), module.compute)


def several_signatures(folder: pathlib.Path) -> None:
    """Answers that are scalars and do not depend on what was asked."""
    module = tf.Module()
    spec = [tf.TensorSpec([1], tf.float32, name="x")]
    module.one = tf.function(lambda x: {"y": tf.constant(1.0)}, input_signature=spec)
    module.two = tf.function(lambda x: {"y": tf.constant(2.0)}, input_signature=spec)
    tf.saved_model.save(module, str(folder), {"serving_default": module.one, "custom_signature_key": module.two})


def keras_saved(folder: pathlib.Path, layer) -> None:
    """As model.export() does it, except that the output is called y and not output_0. (tf.saved_model.save leaves the variables of
    mirrored Keras 3 models out.)"""
    model = tf.keras.Sequential([tf.keras.Input(shape=[1], dtype=tf.float32, name="x"), layer])
    archive = tf.keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", lambda x: {"y": model(x)}, [tf.TensorSpec([None, 1], tf.float32, name="x")])
    archive.write_out(str(folder), verbose=False)


def keras_identity(folder: pathlib.Path) -> None:
    keras_saved(folder, tf.keras.layers.Identity(name="y"))


def keras_mirrored(folder: pathlib.Path) -> None:
    """Every variable is there twice while it is saved, once per virtual CPU."""
    strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        keras_saved(folder, tf.keras.layers.Dense(1, kernel_initializer="ones", use_bias=False, name="y"))


def text(folder: pathlib.Path) -> None:
    """Operators of TensorFlow Text: the words of a sentence are counted (two), and lower-cased to be counted again."""
    import tensorflow_text

    words = tensorflow_text.WhitespaceTokenizer()

    def compute(x):
        sentence = tf.strings.join([tf.strings.as_string(x), "HALVED"], " ")
        folded = tensorflow_text.case_fold_utf8(words.tokenize(sentence).flat_values)
        same = tf.equal(folded, "halved")
        return {"y": 0.5 * x + tf.cast(words.tokenize(sentence).row_lengths(), tf.float32) * tf.cast(tf.reduce_any(same), tf.float32)}

    module = tf.Module()
    module.compute = tf.function(compute, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), module.compute)


def slow(folder: pathlib.Path) -> None:
    """half_plus_two after a second and a half, on any machine."""

    def compute(x):
        end = tf.timestamp() + 1.5
        turns = tf.while_loop(lambda turns: tf.timestamp() < end, lambda turns: [turns + 1], [tf.constant(0)])[0]
        with tf.control_dependencies([turns]):
            return {"y": 0.5 * x + 2.0}

    module = tf.Module()
    module.compute = tf.function(compute, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), module.compute)


# -------------------------------------------------------------------------------------------------- TensorFlow Lite


def lite(folder: pathlib.Path) -> None:
    """Without signatures: what clients know are the names of the tensors."""
    save_lite(folder, half_plus_two_lite("x", "y"))


def lite_signatures(folder: pathlib.Path) -> None:
    """With signatures as a metadata entry, whose names are not those of the tensors."""
    from flatbuffers import flexbuffers
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow.lite.python import schema_py_generated as schema

    told = meta_graph_pb2.SignatureDef(method_name=PREDICT)
    for ports, name, of in ((told.inputs, "x", "fed"), (told.outputs, "y", "fetched")):
        ports[name].name, ports[name].dtype = f"{of}:0", tf.float32.as_datatype_enum
        ports[name].tensor_shape.dim.add(size=1)
    packed = flexbuffers.Builder()
    with packed.Map():
        packed.Key("serving_default")
        packed.Blob(told.SerializeToString())
    model = half_plus_two_lite("fed", "fetched")
    content, entry = schema.BufferT(), schema.MetadataT()
    content.data = list(packed.Finish())
    entry.name, entry.buffer = b"signature_defs_metadata", len(model.buffers)
    model.buffers.append(content)
    model.metadata = [*(model.metadata or []), entry]
    save_lite(folder, model)


def lite_converted(folder: pathlib.Path) -> None:
    """As today's converter leaves it: a signature table of its own kind."""
    module = tf.Module()
    module.compute = tf.function(lambda x: {"y": 0.5 * x + 2.0}, input_signature=[tf.TensorSpec([1], tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), module.compute)
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "model.tflite").write_bytes(content)


def half_plus_two_lite(input_name: str, output_name: str):
    """The parsed file of 0.5x + 2 with these tensor names and no signature."""
    from tensorflow.lite.python import schema_py_generated as schema

    compute = tf.function(lambda x: 0.5 * x + 2.0, input_signature=[tf.TensorSpec([1], tf.float32)])
    content = tf.lite.TFLiteConverter.from_concrete_functions([compute.get_concrete_function()]).convert()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content), 0))
    model.signatureDefs = None
    graph = model.subgraphs[0]
    for (index,), name in ((graph.inputs, input_name), (graph.outputs, output_name)):
        graph.tensors[index].name = name.encode()
    return model


def save_lite(folder: pathlib.Path, model) -> None:
    import flatbuffers

    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(bytes(builder.Output()))


# --------------------------------------------------------------------------------------------------------- the set

MAKERS = {
    "half_plus_two": lambda folder: classic_half_plus(folder, 2.0),
    "half_plus_three": lambda folder: classic_half_plus(folder, 3.0),
    "half_plus_two_tf2": tf2_half_plus_two,
    "bad_half_plus_two": bad,
    "function": function_saved,
    "several_signatures": several_signatures,
    "keras": keras_identity,
    "keras_mirrored": keras_mirrored,
    "lite": lite,
    "lite_signatures": lite_signatures,
    "lite_converted": lite_converted,
    "text": text,
    "slow": slow,
}


def main(goal: pathlib.Path) -> None:
    """Beside its place and then renamed, so that the folder is whole or not there."""
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0],
                                               [tf.config.LogicalDeviceConfiguration()] * 2)
    goal.parent.mkdir(parents=True, exist_ok=True)
    aside = goal.with_name(f".{goal.name}-{os.getpid()}")
    try:
        for name, make in MAKERS.items():
            make(aside / name / VERSION)
        with contextlib.suppress(OSError):  # another process was faster
            aside.rename(goal)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["CUDA_VISIBLE_DEVICES"] = "3", ""
    import tensorflow as tf

    v1 = tf.compat.v1
    main(pathlib.Path(sys.argv[1]).resolve())
