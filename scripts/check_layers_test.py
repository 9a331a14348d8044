"""Plants each kind of violation in a small tree and expects check_layers to name it."""
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_layers

LAYERS = """
F0 base
F1 net tensor
F2 engine
F6 codec/grpc codec/rest
F8 server
vendor nghttp2/ net loadgen
vendor google/protobuf/ codec/grpc server
vendor tensorflow/ engines/tensorflow
"""

CLEAN = {
    "layers.txt": LAYERS,
    "include/baton/engine_abi.h": "#include <stdint.h>\n",
    "src/base/log.h": '#include <string>\n#include "absl/status/status.h"\n',
    "src/base/log.cc": '#include "base/log.h"\n',
    "src/net/loop.h": '#include "base/log.h"\n#include <nghttp2/nghttp2.h>\n',
    "src/net/loop_test.cc": '#include "net/loop.h"\n#include "testing/fake_clock.h"\n#include "gtest/gtest.h"\n',
    "src/tensor/shape.h": '#include "base/log.h"\n',
    "src/codec/grpc/wire.cc": '#include "tensor/shape.h"\n#include "tensorflow_serving/apis/predict.pb.h"\n',
    "src/codec/rest/json.cc": '#include "tensor/shape.h"\n',
    "src/codec/rest/json_test.cc": '#include "x/y.pb.h"\n',
    "src/engine/engine.h": '#include "tensor/shape.h"\n#include "baton/engine_abi.h"\n',
    "src/testing/fake_clock.h": '#include "base/log.h"\n#include "engine/engine.h"\n',
    "engines/tensorflow/model.cc": '#include "baton/engine_abi.h"\n#include "engines/tensorflow/model.h"\n'
    '#include "model.h"\n#include "tensorflow/c/c_api.h"\n',
    "engines/tensorflow/model.h": '#include "tensorflow/core/framework/graph.pb.h"\n',
    "engines/tensorflow/model_test.cc": '#include "engine/engine.h"\n#include "engines/tensorflow/engine_test_model.h"\n',
    "engines/tensorflow/engine_test_model.h": '#include "engine/engine.h"\n',
    "loadgen/main.cc": '#include "net/loop.h"\n#include "loadgen/table.h"\n',
    "loadgen/table.h": "",
}

VIOLATIONS = [
    ("a higher floor", "src/base/log.h", '#include "net/loop.h"', "net (F1) is above base (F0)"),
    ("a sibling", "src/net/loop.h", '#include "tensor/shape.h"', "net and tensor are siblings on F1"),
    ("a sibling in a nested folder", "src/codec/grpc/wire.cc", '#include "codec/rest/json.h"', "are siblings on F6"),
    ("a vendor out of place", "src/tensor/shape.h", "#include <nghttp2/nghttp2.h>", "nghttp2/ belongs to loadgen, net"),
    ("a quoted vendor", "src/tensor/shape.h", '#include "nghttp2/nghttp2.h"', "nghttp2/ belongs to loadgen, net"),
    ("a generated message", "src/net/loop.h", '#include "x/y.pb.h"', "google/protobuf/ belongs to codec/grpc, server"),
    ("a vendor's generated message", "src/net/loop.h", '#include "tensorflow/core/graph.pb.h"', "belongs to codec/grpc, eng"),
    ("an engine's vendor in the host", "src/engine/engine.h", "#include <tensorflow/c/c_api.h>", "belongs to engines"),
    ("testing in the product", "src/net/loop.h", '#include "testing/fake_clock.h"', "testing/ is for tests"),
    ("the host in an engine", "engines/tensorflow/model.h", '#include "base/log.h"', "an engine sees only"),
    ("the server in a wing", "loadgen/table.h", '#include "engine/engine.h"', "may not see the server's floor"),
    ("the host in the ground", "include/baton/engine_abi.h", '#include "base/log.h"', "the ground includes nothing"),
    ("an include that is not rooted", "src/net/loop.h", '#include "loop_more.h"', "includes are rooted there"),
    ("a module that is on no floor", "src/stray/x.h", "#include <string>", "in no floor of layers.txt"),
    ("the test too", "src/net/loop_test.cc", '#include "engine/engine.h"', "engine (F2) is above net (F1)"),
]


def plant(root: pathlib.Path, extra: dict[str, str] | None = None) -> pathlib.Path:
    for name, text in {"src/codec/rest/json.h": "", **CLEAN}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in (extra or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text + "\n")
    return root


def test_a_clean_tree_has_no_violation(tmp_path):
    assert check_layers.check(plant(tmp_path)) == []


@pytest.mark.parametrize("what,path,line,expected", VIOLATIONS, ids=[row[0] for row in VIOLATIONS])
def test_names_the_one_violation(tmp_path, what, path, line, expected):
    problems = check_layers.check(plant(tmp_path, {path: line}))
    assert len(problems) == 1, problems
    assert problems[0].startswith(path)
    assert expected in problems[0]


def test_a_cycle_between_components_is_named_once(tmp_path):
    root = plant(
        tmp_path,
        {
            "src/net/loop.h": '#include "net/socket.h"',
            "src/net/socket.h": "",
            "src/net/socket.cc": '#include "net/server.h"',
            "src/net/server.h": '#include "net/loop.h"',
        },
    )
    assert check_layers.check(root) == ["net: include cycle: src/net/loop <-> src/net/server <-> src/net/socket"]


def test_a_test_may_close_no_cycle(tmp_path):
    assert check_layers.check(plant(tmp_path, {"src/net/loop_test.cc": '#include "net/loop.h"'})) == []


def test_a_malformed_layers_file_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="neither"):
        check_layers.check(plant(tmp_path, {"layers.txt": "floor 7 cellar"}))


def test_the_real_tree_takes_less_than_a_second():
    started = time.monotonic()
    check_layers.check(pathlib.Path(__file__).resolve().parent.parent)
    assert time.monotonic() - started < 1.0
