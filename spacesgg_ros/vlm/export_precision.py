"""ONNX files in other precisions, and smaller on disk. Needs the extra ``torch``."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

EXTERNAL_DATA_BYTES = 1_500_000_000  # protobuf ends at 2 GiB
_SMALL_HEAD = 1 << 22
_WORTH_IT = 0.1
_LEAST_STORED = 1024
"""Values from which a weight is worth a cast."""


def convert(target: Path, fp32: str, precision: str) -> str:
    """fp16 or int8 of a torch-exported file; the projector stays fp32 beside int8."""
    part = fp32.removesuffix(".onnx")
    if precision == "int8":
        if part == "projector":
            return fp32
        return quantise(target / fp32, target / file_name(part, precision))
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    # LayerNorm and softmax overflow in fp16 (ViTs under TensorRT most of all).
    kept = ("LayerNormalization", "Softmax")
    model = onnx.load(target / fp32)
    with quiet_exporter():
        half = convert_float_to_float16(
            model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *kept]
        )
    _drop_repeated_casts(half.graph)
    save(half, target / file_name(part, precision))
    return file_name(part, precision)


def _drop_repeated_casts(graph: Any) -> None:
    """Keep one of each cast the fp16 converter wrote.

    It adds a cast of the same name and output for every node that reads a value, which is no
    valid graph where several do.
    """
    defined: set[str] = set()
    kept = []
    for node in graph.node:
        if node.op_type != "Cast" or node.output[0] not in defined:
            kept.append(node)
        defined.update(node.output)
    del graph.node[:]
    graph.node.extend(kept)


def quantise(source: Path, file: Path) -> str:
    """Weights of MatMul to int8 per channel, activations at run time.

    The 7-bit range (``reduce_range``) keeps pairs of products from saturating on CPUs without
    VNNI, which a file cannot know it will meet. A small head stays fp32: it costs little and
    decides between neighbouring coordinates. A file of which such weights are no tenth (a
    convolutional tower) is used as it is.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(source, load_external_data=False).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in shapes]
    multiplied = sum(np.prod(shapes[name]) for name in {node.input[1] for node in products})
    if multiplied < _WORTH_IT * sum(np.prod(shape) for shape in shapes.values()):
        return source.name
    small_heads = [
        node.name
        for node in products
        if "logits" in node.output and np.prod(shapes[node.input[1]]) <= _SMALL_HEAD
    ]
    for stale in file.parent.glob(f"{file.name}*"):
        stale.unlink()
    with quiet_exporter():
        quantize_dynamic(
            source,
            file,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=small_heads,
            use_external_data_format=source.stat().st_size > EXTERNAL_DATA_BYTES,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    return file.name


def save(model: Any, file: Path) -> None:
    import onnx

    for stale in file.parent.glob(f"{file.name}*"):
        stale.unlink()
    onnx.save(
        model,
        file,
        save_as_external_data=model.ByteSize() > EXTERNAL_DATA_BYTES,
        location=f"{file.name}.data",
    )


def file_name(part: str, precision: str) -> str:
    return f"{part}.onnx" if precision == "fp32" else f"{part}.{precision}.onnx"


def store_half(file: Path) -> None:
    """Keep on disk as fp16 the fp32 weights that lose nothing by it, with a cast before each.

    The package's checkpoints are fp16, so that is all of them: the file halves, the numbers stay
    to the bit, and a runtime folds the casts away when it opens the file. Files with external
    data stay as they are.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if list(file.parent.glob(f"{file.name}.*")):
        return
    model = onnx.load(file)
    graph, casts = model.graph, []
    outputs = {value.name for value in graph.output}
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name in outputs:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < _LEAST_STORED or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.fp16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    if casts:
        nodes = [*casts, *graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        # Names of old initialisers may be listed with the shapes of values, which stays true.
        save(model, file)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Exporters warn about their own internals; what matters is compared afterwards."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "root")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
