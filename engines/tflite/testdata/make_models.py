"""Makes the models that the tests of the TFLite engine load: make_models.py OUT_FOLDER."""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import flatbuffers  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from flatbuffers import flexbuffers  # noqa: E402
from tensorflow.core.protobuf import meta_graph_pb2  # noqa: E402
from tensorflow.lite.python import schema_py_generated as schema  # noqa: E402

PREDICT = "tensorflow/serving/predict"
OUT = sys.argv[1]


def spec(shape, dtype, name):
    return tf.TensorSpec(shape, dtype, name)


def convert(function, *specs):
    """A function from named inputs to a dictionary of outputs, as a parsed model.

    Its tensors have these names, and it has no signature table, as older converters left it.
    """
    module = tf.Module()
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    model = parse(tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert())
    for entry in model.signatureDefs[0].outputs + model.signatureDefs[0].inputs:
        model.subgraphs[0].tensors[entry.tensorIndex].name = entry.name
    model.signatureDefs = None
    return model


def parse(content):
    return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)


def pack(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def save(name, model):
    folder = os.path.join(OUT, name, "1")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.tflite"), "wb") as f:
        f.write(model if isinstance(model, bytes) else pack(model))


def rename(model, names):
    for entry in model.subgraphs[0].tensors:
        entry.name = names.get(entry.name.decode(), entry.name.decode()).encode()
    return model


def signature(inputs, outputs, method=PREDICT, dtype=tf.float32, shape=(1,)):
    """A SignatureDef; inputs and outputs map keys to names of tensors."""
    result = meta_graph_pb2.SignatureDef(method_name=method)
    for ports, names in ((result.inputs, inputs), (result.outputs, outputs)):
        for key, name in names.items():
            ports[key].name = name
            ports[key].dtype = dtype.as_datatype_enum
            for dim in shape:
                ports[key].tensor_shape.dim.add().size = dim
    return result


def with_metadata(model, content):
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, dtype=np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = b"signature_defs_metadata"
    entry.buffer = len(model.buffers) - 1
    model.metadata = (model.metadata or []) + [entry]
    return model


def with_signatures(model, signatures):
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, definition in signatures.items():
            builder.Key(name)
            builder.String(definition.SerializeToString().decode())
    return with_metadata(model, bytes(builder.Finish()))


def tensor(name, kind, shape, buffer=0):
    result = schema.TensorT()
    result.name, result.type, result.shape, result.buffer = name.encode(), kind, list(shape), buffer
    return result


def flatten(kind):
    """One RESHAPE to [-1], which takes any type: x -> y."""
    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    model.operatorCodes = [code]
    constant = schema.BufferT()
    constant.data = np.array([-1], np.int32).view(np.uint8)
    model.buffers = [schema.BufferT(), constant]
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [tensor("x", kind, [1]), tensor("shape", schema.TensorType.INT32, [1], 1), tensor("y", kind, [1])]
    graph.inputs, graph.outputs = [0], [2]
    node = schema.OperatorT()
    node.opcodeIndex, node.inputs, node.outputs = 0, [0, 1], [2]
    graph.operators = [node]
    model.subgraphs = [graph]
    return model


def half_plus_two():
    return convert(lambda x: {"y": 0.5 * x + 2.0}, spec([1], tf.float32, "x"))


def make_signatures():
    save("half_plus_two", half_plus_two())
    save("half_plus_two_signature",
         with_signatures(half_plus_two(), {"serving_default": signature({"x_in": "x"}, {"y_out": "y"})}))
    save("legacy_signature",
         with_signatures(half_plus_two(), {"serving_default": signature({"x_in": "x:0"}, {"y_out": "y:0"})}))
    save("suffixed_names", rename(half_plus_two(), {"x": "x:0", "y": "y:0"}))
    two = convert(lambda a, ab: {"s": a + ab, "sum": ab * 10.0}, spec([1], tf.float32, "a"),
                  spec([1], tf.float32, "ab"))
    save("several_signatures", with_signatures(two, {
        "serving_default": signature({"x": "a", "xx": "ab"}, {"y": "s", "yy": "sum"}),
        "serving": signature({"x": "a"}, {"y": "s"}, method="custom/method"),
        "serving_more": signature({"x": "ab"}, {"y": "sum"}),
    }))
    save("unknown_tensor", with_signatures(half_plus_two(), {"serving_default": signature({"x": "z"}, {"y": "y"})}))
    save("broken_signatures", with_metadata(half_plus_two(), b"\x00\x01"))

    class Module(tf.Module):
        @tf.function(input_signature=[spec([None], tf.float32, "x")])
        def double(self, x):
            return {"y": 2.0 * x}

        @tf.function(input_signature=[spec([None], tf.float32, "x"), spec([None], tf.float32, "z")])
        def product(self, x, z):
            return {"xz": x * z}

    module = Module()
    folder = os.path.join(OUT, "two_subgraphs_saved_model")
    tf.saved_model.save(module, folder, signatures={"double": module.double, "product": module.product})
    save("two_subgraphs", tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["double", "product"]).convert())


def make_types():
    kinds = schema.TensorType
    for name in ("FLOAT32", "INT32", "UINT8", "INT64", "STRING", "BOOL", "INT16", "COMPLEX64", "INT8", "FLOAT64"):
        save("type_" + name.lower(), flatten(getattr(kinds, name)))
    save("pick", convert(lambda s, i: {"t": tf.gather(s, i)}, spec([None], tf.string, "s"), spec([None], tf.int32, "i")))
    save("scalar", convert(lambda x: {"y": x + 1.0}, spec([], tf.float32, "x")))


def make_shapes():
    save("matrix", convert(lambda x: {"y": tf.matmul(x, tf.constant([[1.0], [2.0]]))}, spec([None, 2], tf.float32, "x")))
    save("pairs", convert(lambda x: {"y": x + tf.constant([1.0, 2.0])}, spec([None, 2], tf.float32, "x")))
    save("tile", convert(lambda x, n: {"y": tf.tile(x, n)}, spec([None], tf.float32, "x"), spec([1], tf.int32, "n")))
    save("where", convert(lambda x: {"y": tf.where(x > 0.0)}, spec([None], tf.float32, "x")))
    save("loop", convert(lambda x: {"y": tf.while_loop(lambda i, v: i < 10, lambda i, v: (i + 1, v * 2.0),
                                                       [tf.constant(0), x])[1]}, spec([1], tf.float32, "x")))
    save("endless_run", convert(lambda x: {"y": tf.while_loop(lambda v: v[0] > 0.0, lambda v: (v * 1.0,), [x])[0]},
                                spec([1], tf.float32, "x")))
    save("constant", convert(lambda x: {"y": x, "c": tf.constant([7.0, 8.0])}, spec([1], tf.float32, "x")))


def make_quantized():
    keras = tf.keras
    keras.utils.set_random_seed(1)
    dense = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)])
    converter = tf.lite.TFLiteConverter.from_keras_model(dense)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    save("dense_quantized", converter.convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(dense)
    save("dense", converter.convert())


def make_refused():
    model = half_plus_two()
    model.operatorCodes[0].version = 99
    save("new_operator", model)
    model = half_plus_two()
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"FlexErf"
    save("flex_operator", model)
    code.customCode = b"MyOperator"
    save("custom_operator", model)

    content = pack(half_plus_two())
    save("cut", content[: len(content) // 2])
    save("other_file", b"not a model of any kind\n" * 4)
    save("empty_file", b"")
    model = half_plus_two()
    model.subgraphs[0].operators[0].inputs = [0, 1000]
    save("wild_index", model)
    model = parse(pack(half_plus_two()))
    model.subgraphs[0].tensors[0].buffer = 4000
    save("wild_buffer", model)
    with open(os.path.join(OUT, "loop", "1", "model.tflite"), "rb") as f:
        model = parse(f.read())
    for graph in model.subgraphs:
        for node in graph.operators:
            if isinstance(node.builtinOptions, schema.WhileOptionsT):
                node.builtinOptions.bodySubgraphIndex = 0
    save("endless", model)
    model = half_plus_two()
    group = schema.ExternalBufferGroupT()
    group.name = b"/etc/passwd"
    model.externalBufferGroups = [group]
    save("other_weights", model)
    model = half_plus_two()
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].name = None
    save("no_name", model)


make_signatures()
make_types()
make_shapes()
make_quantized()
make_refused()
