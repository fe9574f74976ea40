import json
import shutil

import numpy as np
import pytest

from spacesgg_ros.vlm import ModelError, SceneGraphModel
from spacesgg_ros.vlm.manifest import Manifest, digest_file
from spacesgg_ros.vlm.onnx_runtime import make_tensorrt_options

pytest.importorskip("onnxscript")


def test_the_manifest_holds_files_and_differences(exported_clip) -> None:
    manifest = Manifest.read(exported_clip / "onnx")
    assert set(manifest.parts) == {"fp32", "fp16", "int8"}
    assert all((exported_clip / "onnx" / name).is_file() for name in manifest.files)
    assert manifest.differences["fp32"]["step relative"] < 1e-4
    assert manifest.differences["fp16"]["step cosine"] > 0.999
    assert manifest.differences["int8"]["step cosine"] > 0.98


def test_fp16_files_are_smaller_and_take_fp32(exported_clip) -> None:
    import onnxruntime

    folder = exported_clip / "onnx"
    for part in ("vision_tower", "decoder"):
        half = (folder / f"{part}.fp16.onnx").stat().st_size
        assert half < 0.95 * (folder / f"{part}.onnx").stat().st_size
        session = onnxruntime.InferenceSession(folder / f"{part}.fp16.onnx")
        assert session.get_inputs()[0].type == "tensor(float)"
        assert session.get_outputs()[0].type == "tensor(float)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "onnx" / "decoder.int8.onnx").unlink(), "is missing"),
        (lambda folder: (folder / "onnx" / "decoder.int8.onnx").write_bytes(b"x"), "is damaged"),
        (lambda folder: (folder / "onnx" / "manifest.json").unlink(), "no ONNX export"),
        (lambda folder: (folder / "onnx" / "manifest.json").write_text('{"format": 9}'), "format"),
        (
            lambda folder: (folder / "onnx" / "manifest.json").write_text('{"format": 1}'),
            "incomplete",
        ),
    ],
)
def test_a_damaged_export_is_refused(broken_folder, change, reason) -> None:
    change(broken_folder)
    with pytest.raises(ModelError, match=reason) as error:
        SceneGraphModel.load(broken_folder)
    assert "spacesgg export" in str(error.value)


def test_an_export_of_other_weights_is_stale(broken_folder) -> None:
    data = bytearray((broken_folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (broken_folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match="stale"):
        SceneGraphModel.load(broken_folder)


def test_an_export_of_another_configuration_is_stale(broken_folder) -> None:
    file = broken_folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "vision_feature_layer": -1}))
    with pytest.raises(ModelError, match=r"config\.json changed"):
        SceneGraphModel.load(broken_folder)
    file.write_text(json.dumps({**config, "spacesgg_prompt": "Another prompt."}))
    assert SceneGraphModel.load(broken_folder).graph_prompt == "Another prompt."


def test_a_precision_that_was_not_exported_names_the_command(exported_siglip) -> None:
    with pytest.raises(ModelError, match="--precision int8"):
        SceneGraphModel.load(exported_siglip, precision="int8")


@pytest.mark.parametrize(
    "text",
    [
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
        {"attention_bias": True, "num_key_value_heads": 4, "head_dim": 32},
    ],
    ids=["theta", "llama3", "bias-and-head-size"],
)
def test_llama_variants_export_exactly(tmp_path, write_llava, text) -> None:
    from spacesgg_ros.vlm.export import export_model

    folder = write_llava(tmp_path / "variant", **text)
    differences = export_model(folder, ("fp32",)).differences["fp32"]
    assert max(value for key, value in differences.items() if key.endswith("relative")) < 1e-4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        (
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
            "rotary type 'dynamic'",
        ),
        ({"head_dim": 12}, "head size 12"),
    ],
)
def test_other_architectures_are_refused_with_the_reason(
    tmp_path, write_llava, text, reason
) -> None:
    from spacesgg_ros.vlm.export import export_model

    folder = write_llava(tmp_path / "other", **text)
    with pytest.raises(ModelError, match=reason):
        export_model(folder, ("fp32",))
    assert not (folder / "onnx" / "manifest.json").exists()


def test_exporting_one_precision_more_keeps_the_others(broken_folder) -> None:
    from spacesgg_ros.vlm.export import export_model

    export_model(broken_folder, ("fp16",))
    assert SceneGraphModel.load(broken_folder).runtime_info.precision == "int8"


def test_an_unknown_precision_is_refused(clip_folder) -> None:
    from spacesgg_ros.vlm.export import export_model

    with pytest.raises(ModelError, match="int4"):
        export_model(clip_folder, ("int4",))


def test_the_tensorrt_cache_is_keyed_by_the_weights(exported_clip, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    file = tmp_path / "vision_tower.onnx"
    shutil.copy(exported_clip / "onnx" / "vision_tower.onnx", file)
    before = make_tensorrt_options(file)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    after = make_tensorrt_options(file)
    assert before["trt_engine_cache_path"] != after["trt_engine_cache_path"]
    assert before["trt_engine_cache_prefix"] != after["trt_engine_cache_prefix"]


def test_large_files_are_sampled(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("spacesgg_ros.vlm.manifest._EXACT_UP_TO_BYTES", 1000)
    file = tmp_path / "big"
    values = np.zeros(1 << 20, np.uint8)
    file.write_bytes(values)
    first = digest_file(file)
    values[:] = 1
    file.write_bytes(values)
    assert first.startswith("sampled:")
    assert digest_file(file) != first
