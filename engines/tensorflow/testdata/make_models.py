"""Makes the models that tensorflow_engine_test loads: make_models.py OUT_FOLDER."""

import os
import shutil
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402

v1 = tf.compat.v1
PREDICT = "tensorflow/serving/predict"


def info(tensor):
    return v1.saved_model.utils.build_tensor_info(tensor)


def signature(inputs, outputs):
    return v1.saved_model.signature_def_utils.build_signature_def(
        {k: info(t) for k, t in inputs.items()}, {k: info(t) for k, t in outputs.items()}, PREDICT
    )


def save_graph(path, build, tags=("serve",)):
    """A TensorFlow 1 model; build() returns its signatures."""
    config = v1.ConfigProto(allow_soft_placement=True)
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        builder = v1.saved_model.Builder(path)
        signatures = build()
        session.run(v1.global_variables_initializer())
        builder.add_meta_graph_and_variables(session, list(tags), signature_def_map=signatures)
        builder.save()


def edit(path, change):
    name = os.path.join(path, "saved_model.pb")
    model = saved_model_pb2.SavedModel()
    with open(name, "rb") as f:
        model.ParseFromString(f.read())
    change(model.meta_graphs[0])
    with open(name, "wb") as f:
        f.write(model.SerializeToString())


def types(path):
    """Identity of every element type, a signature each, named by the number of the type."""

    def build():
        signatures = {}
        for number in list(range(1, 20)) + list(range(22, 31)):
            dtype = tf.as_dtype(number)
            if not dtype.is_floating and not dtype.is_integer and number not in (7, 8, 10, 18):
                if not dtype.is_quantized:
                    continue
            x = v1.placeholder(dtype, shape=[None])
            signatures[str(number)] = signature({"x": x}, {"y": tf.identity(x)})
        return signatures

    save_graph(path, build)


class Stateful(tf.Module):
    """Keeps what it is given: a trap for whoever lends memory to TensorFlow."""

    def __init__(self):
        super().__init__()
        self.numbers = tf.Variable([0.0] * 16, shape=[None])
        self.texts = tf.Variable([""], shape=[None])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="numbers"),
            tf.TensorSpec([None], tf.string, name="texts"),
        ]
    )
    def remember(self, numbers, texts):
        self.numbers.assign(numbers)
        self.texts.assign(texts)
        return {"count": tf.size(texts)}

    @tf.function(input_signature=[])
    def recall(self):
        return {"numbers": self.numbers.read_value(), "texts": self.texts.read_value()}


def stateful(path):
    module = Stateful()
    tf.saved_model.save(
        module, path, signatures={"remember": module.remember, "recall": module.recall}
    )


class Vocabulary(tf.Module):
    """A table that is filled from an asset by an initializer."""

    def __init__(self, file):
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            file,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def look_up(self, word):
        return {"id": self.table.lookup(word)}


def vocabulary(path):
    file = path + ".txt"
    with open(file, "w", encoding="utf-8") as f:
        f.write("zero\none\ntwo\n")
    module = Vocabulary(file)
    tf.saved_model.save(module, path, signatures=module.look_up)
    os.remove(file)


def tags(path):
    """Two meta graphs: {serve} doubles, {serve, gpu} triples."""
    builder = v1.saved_model.Builder(path)
    for factor, names in ((2.0, ["serve"]), (3.0, ["serve", "gpu"])):
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("w", initializer=factor)
            x = v1.placeholder(tf.float32, [None])
            signatures = {"serving_default": signature({"x": x}, {"y": x * w})}
            session.run(v1.global_variables_initializer())
            if factor == 2.0:
                builder.add_meta_graph_and_variables(session, names, signature_def_map=signatures)
            else:
                builder.add_meta_graph(names, signature_def_map=signatures)
    builder.save()


def odd(path):
    """Defaults, interior feeds, sparse and composite tensors, one tensor under two names, control flow, no device."""

    def build():
        x = v1.placeholder(tf.float32, [None], name="x")
        bias = v1.placeholder(tf.float32, [], name="bias")
        mul = tf.multiply(x, 2.0, name="mul")
        y = tf.add(mul, bias, name="y")
        count = v1.placeholder(tf.int32, [], name="count")
        loop = v1.while_loop(lambda i: i < count, lambda i: i + 1, [tf.constant(0)])
        with tf.device("/job:localhost/replica:0/task:0/device:GPU:7"):
            far = tf.sqrt(x, name="far")
        return {
            "defaults": signature({"x": x, "bias": bias}, {"y": y}),
            "interior": signature({"mul": mul, "bias": bias}, {"y": y}),
            "twins": signature({"x": x}, {"a": mul, "b": mul}),
            "loop": signature({"count": count}, {"n": loop}),
            "far": signature({"x": x}, {"y": far}),
            "unfed": signature({"x": x}, {"y": y}),
        }

    save_graph(path, build)

    def change(graph):
        defaults = graph.signature_def["defaults"]
        defaults.defaults["bias"].CopyFrom(tf.make_tensor_proto(0.5))
        sparse = graph.signature_def["sparse"]
        sparse.method_name = PREDICT
        sparse.inputs["s"].coo_sparse.values_tensor_name = "x:0"
        sparse.inputs["s"].dtype = tf.float32.as_datatype_enum
        sparse.inputs["x"].CopyFrom(defaults.inputs["x"])
        sparse.outputs["c"].composite_tensor.components.add().name = "y:0"
        sparse.outputs["y"].CopyFrom(graph.signature_def["twins"].outputs["a"])

    edit(path, change)


class Loop(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="count")])
    def run(self, count):
        total = tf.constant(0.0)
        for i in tf.range(count):
            if i % 2 == 0:
                total += tf.cast(i, tf.float32)
            else:
                total += tf.reduce_sum(tf.matmul(tf.ones([4, 4]), tf.ones([4, 4]))) * 0.0
        return {"total": total}


def loop(path):
    module = Loop()
    tf.saved_model.save(module, path, signatures=module.run)


class Jit(tf.Module):
    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, name="x")], autograph=False, jit_compile=True
    )
    def run(self, x):
        return {"y": x * 2.0 + 1.0}


def jit(path):
    """Asks for XLA."""
    module = Jit()
    tf.saved_model.save(module, path, signatures=module.run)


class Large(tf.Module):
    """200 MB of weights in twelve layers."""

    def __init__(self):
        super().__init__()
        self.layers = [tf.Variable(tf.random.normal([2048, 2048], stddev=0.02)) for _ in range(12)]

    @tf.function(input_signature=[tf.TensorSpec([None, 2048], tf.float32, name="x")])
    def run(self, x):
        for w in self.layers:
            x = tf.nn.gelu(tf.matmul(x, w))
        return {"y": x}


def large(path):
    module = Large()
    tf.saved_model.save(module, path, signatures=module.run)


def damaged(path, sound):
    shutil.copytree(sound, path)
    name = os.path.join(path, "variables", "variables.data-00000-of-00001")
    with open(name, "r+b") as f:
        f.truncate(os.path.getsize(name) // 2)


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    for make in (types, stateful, vocabulary, tags, odd, loop, jit, large):
        make(os.path.join(out, make.__name__))
    damaged(os.path.join(out, "short_variables"), os.path.join(out, "tags"))
    missing = os.path.join(out, "no_variables")
    shutil.copytree(os.path.join(out, "tags"), missing)
    shutil.rmtree(os.path.join(missing, "variables"))
    os.makedirs(os.path.join(out, "nothing"))
    os.makedirs(os.path.join(out, "session_bundle"))
    with open(os.path.join(out, "session_bundle", "export.meta"), "w", encoding="utf-8"):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
