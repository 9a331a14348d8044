"""--custom_op_libraries: operators that TensorFlow itself does not have, here those of TensorFlow Text (contract 13.1, row 28)."""
import importlib.util
import pathlib

import grpc
import pytest
import tensorflow as tf

from baton_server import BatonServer
from stock_client import StockClient

VOCABULARY = ["[UNK]", "un", "##want", "##ed", "run", "##ning"]


def operators() -> pathlib.Path:
    """The folder of the package's operator libraries."""
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None:
        pytest.fail("tensorflow-text is not installed: ./dev setup")
    return pathlib.Path(spec.submodule_search_locations[0]) / "python/ops"


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    import tensorflow_text as text

    class Texts(tf.Module):
        def __init__(self):
            super().__init__()
            self.words = text.WhitespaceTokenizer()
            self.pieces = text.FastWordpieceTokenizer(VOCABULARY, support_detokenization=False)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def split(self, lines):
            words = self.words.tokenize(lines)
            pieces = self.pieces.tokenize(words).merge_dims(1, 2)
            return {"words": words.to_tensor(""), "pieces": pieces.to_tensor(-1), "count": words.row_lengths()}

    base = tmp_path_factory.mktemp("texts")
    module = Texts()
    tf.saved_model.save(module, str(base / "1"), signatures=module.split)
    return base


def flags(base_path, *more: str) -> list[str]:
    return [f"--model_base_path={base_path}", "--model_name=texts", "--max_num_load_retries=0", *more]


@pytest.mark.timeout(300)
def test_a_model_with_operators_of_tensorflow_text_serves(baton_binary, base_path):
    # A folder stands for all libraries in it.
    with BatonServer(*flags(base_path, f"--custom_op_libraries={operators()}")) as server:
        with StockClient(server.grpc_address) as client:
            lines = tf.constant(["unwanted  running", "", "running unheard"])
            outputs = client.predict("texts", {"text": lines}, timeout=60).outputs
        assert tf.make_ndarray(outputs["words"]).tolist() == [
            [b"unwanted", b"running"], [b"", b""], [b"running", b"unheard"]]
        assert tf.make_ndarray(outputs["count"]).tolist() == [2, 0, 2]
        assert tf.make_ndarray(outputs["pieces"]).tolist() == [[1, 2, 3, 4, 5], [-1] * 5, [4, 5, 0, -1, -1]]
        assert f"operator library {operators()}/_whitespace_tokenizer_v2.so loaded" in server.log_text()


def test_without_the_operators_a_request_is_told_which_one_is_missing(baton_binary, base_path):
    # TensorFlow looks at the bodies of functions when they first run.
    with BatonServer(*flags(base_path)) as server, StockClient(server.grpc_address) as client:
        with pytest.raises(grpc.RpcError) as error:
            client.predict("texts", {"text": tf.constant(["a"])}, timeout=60)
    assert "Op type not registered 'TFText>" in error.value.details()


@pytest.mark.parametrize("libraries, reason", [
    ("/not/here/_ops.so", "cannot load the operator library /not/here/_ops.so: "),
    (str(pathlib.Path(__file__).parent), "no operator library (*.so) in the folder "),
])
def test_a_library_that_cannot_be_loaded_ends_the_start(baton_binary, base_path, libraries, reason):
    server = BatonServer(*flags(base_path, f"--custom_op_libraries={libraries}")).launch()
    try:
        assert server.wait_end(60) == 255
        assert reason in server.log_text()
    finally:
        server.kill()
        server.log.close()
