"""ONNX files stored smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from onnx import TensorProto, helper, numpy_helper

from spacesgg_ros.vlm.export_precision import convert, store_half


def write_product(file: Path, weights: np.ndarray) -> None:
    """``y = x @ weights``."""
    shape = [list(weights.shape[:1]), list(weights.shape[1:])]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *size])
        for name, size in zip("xy", shape, strict=True)
    )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [x],
        [y],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), file)


def run(file: Path, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_weights_that_lose_nothing_are_halved_on_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "half.onnx"
    write_product(file, rng.normal(size=(64, 64)).astype(np.float16).astype(np.float32))
    x = rng.normal(size=(1, 64)).astype(np.float32)
    size, expected = file.stat().st_size, run(file, x)
    store_half(file)
    assert file.stat().st_size < 0.6 * size
    assert np.array_equal(run(file, x), expected)
    onnx.checker.check_model(onnx.load(file), full_check=True)


@pytest.mark.parametrize(
    "value", [np.float32(1 / 3), np.float32(1e6), np.float32(1e-9)], ids=["fine", "huge", "tiny"]
)
def test_weights_that_would_change_stay(tmp_path: Path, value: np.float32) -> None:
    file = tmp_path / "full.onnx"
    weights = np.ones((64, 64), np.float32)
    weights[3, 5] = value
    write_product(file, weights)
    before = file.read_bytes()
    store_half(file)
    assert file.read_bytes() == before


def test_external_data_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "large.onnx"
    write_product(file, np.ones((64, 64), np.float32))
    model = onnx.load(file)
    onnx.save(model, file, save_as_external_data=True, location="large.onnx.data", size_threshold=0)
    before = file.read_bytes()
    store_half(file)
    assert file.read_bytes() == before


def test_what_hardly_multiplies_matrices_has_no_int8_of_its_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "vision_tower.onnx"
    write_product(file, rng.normal(size=(64, 64)).astype(np.float32))
    assert convert(tmp_path, file.name, "int8") == "vision_tower.int8.onnx"
    model = onnx.load(file)
    filters = numpy_helper.from_array(rng.normal(size=(64, 64, 3, 6)).astype(np.float32), "filters")
    model.graph.initializer.append(filters)
    onnx.save(model, file)
    assert convert(tmp_path, file.name, "int8") == "vision_tower.onnx"
