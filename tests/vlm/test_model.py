import subprocess
import sys

import numpy as np
import pytest

from spacesgg_ros.graph import merge_repeats, parse_graph
from spacesgg_ros.vlm import GraphLimits, ModelError, SceneGraphModel

LIMITS = GraphLimits(max_objects=5, max_relations=5, max_tokens=150)


def generate_with_transformers(folder, rgb, prompt: str, tokens: int) -> tuple[int, ...]:
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(folder)
    if "tower" in folder.name:
        import spacesgg_ros.vlm.tower  # noqa: F401  (registers itself)
    model = transformers.LlavaForConditionalGeneration.from_pretrained(folder)
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    inputs = processor(images=rgb, text=text, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    return tuple(output[0, inputs["input_ids"].shape[1] :].tolist())


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
@pytest.mark.parametrize("tower", ["exported_clip", "exported_siglip", "exported_tower"])
def test_greedy_tokens_equal_transformers(tower, runtime, picture, request) -> None:
    folder = request.getfixturevalue(tower)
    model = SceneGraphModel.load(folder, runtime=runtime, precision="fp32")
    for prompt in (model.graph_prompt, "Where is the mug?"):
        ours = model.generate_unconstrained(picture, prompt, 60)
        assert ours == generate_with_transformers(folder, picture, prompt, 60)


@pytest.mark.parametrize("tower", ["exported_clip", "exported_siglip"])
def test_onnx_and_torch_write_the_same_graph(tower, picture, request) -> None:
    folder = request.getfixturevalue(tower)
    written = [
        SceneGraphModel.load(folder, runtime=runtime, precision="fp32").write_graph(
            picture, limits=LIMITS
        )
        for runtime in ("onnx", "torch")
    ]
    assert written[0].token_ids == written[1].token_ids
    assert written[0].text == written[1].text


def test_a_text_without_the_grammar_tells_what_is_wrong_with_it(exported_clip, picture) -> None:
    model = SceneGraphModel.load(exported_clip, precision="fp32")
    free = model.write_freely(picture)
    ids = model.generate_unconstrained(picture, model.graph_prompt, GraphLimits().max_tokens)
    said = model.folder.load_tokenizer().decode(list(ids), skip_special_tokens=True).strip()
    assert free.text == said and free.issues == parse_graph(said).issues
    assert free.complete == (ids[-1] in model.folder.eos_token_ids)
    assert not free.valid  # untrained


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_precision_writes_text_that_parses(exported_clip, precision) -> None:
    model = SceneGraphModel.load(exported_clip, precision=precision)
    for seed in range(4):
        rgb = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        written = model.write_graph(rgb, limits=LIMITS)
        assert written.graph == merge_repeats(parse_graph(written.text))
        assert not written.graph.issues
        assert written.token_count == len(written.token_ids)
        assert set(written.stage_ms) == {"preprocess", "vision", "prefill", "decode", "total"}


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_going_back_gives_the_same_logits_again(exported_clip, runtime) -> None:
    executor = SceneGraphModel.load(exported_clip, runtime=runtime, precision="fp32")._runtime
    words = np.random.default_rng(0).normal(size=(9, 64)).astype(np.float32)
    executor.prefill(words[:5], reserve=8)
    expected = executor.step(words[5:7])
    executor.step(words[7:9])
    executor.rollback(5)
    assert executor.length == 5
    np.testing.assert_allclose(executor.step(words[5:7]), expected, atol=1e-5)
    with pytest.raises(ValueError, match="cannot go back"):
        executor.rollback(8)


def test_a_chunk_gives_the_logits_of_single_steps(exported_clip) -> None:
    executor = SceneGraphModel.load(exported_clip, precision="fp32")._runtime
    words = np.random.default_rng(0).normal(size=(12, 64)).astype(np.float32)
    executor.prefill(words[:4], reserve=8)
    for index in range(4, 12):
        single = executor.step(words[index : index + 1])
    executor.rollback(4)
    np.testing.assert_allclose(executor.step(words[4:]), single, atol=1e-5)


def test_a_long_text_grows_the_cache_and_a_second_one_starts_afresh(exported_clip, picture) -> None:
    model = SceneGraphModel.load(exported_clip, precision="fp32")
    first = model.generate_unconstrained(picture, "Where?", 20)
    long = model.generate_unconstrained(picture, "Where?", 400)
    assert long[:20] == first
    assert model.generate_unconstrained(picture, "Where?", 20) == first


def test_an_answer_is_one_of_the_choices(exported_clip, picture) -> None:
    model = SceneGraphModel.load(exported_clip)
    answer = model.answer(picture, "Relation?", choices=["on", "to the left of", "in front of"])
    assert answer.text in ("on", "to the left of", "in front of")
    assert answer.finish_reason == "eos"


def test_a_free_answer_keeps_its_limit(exported_siglip, picture) -> None:
    answer = SceneGraphModel.load(exported_siglip).answer(picture, "What?", max_new_tokens=7)
    assert answer.token_count <= 7


def test_a_stop_ends_the_text_early_and_well_formed(exported_siglip, picture) -> None:
    model = SceneGraphModel.load(exported_siglip)
    written = model.write_graph(picture, should_stop=lambda: True)
    assert written.finish_reason == "stopped"
    assert written.token_count <= 2
    assert not written.graph.issues


def test_a_prompt_longer_than_the_model_reads_is_refused(exported_clip, picture) -> None:
    with pytest.raises(ModelError, match="shorten the prompt"):
        SceneGraphModel.load(exported_clip).answer(picture, "mug " * 600)


def test_runtime_info_tells_what_runs(exported_clip) -> None:
    info = SceneGraphModel.load(exported_clip, threads=1).runtime_info
    assert (info.runtime, info.provider_used, info.precision) == ("onnx", "cpu", "int8")
    assert (info.threads, info.notes) == (1, ())
    info = SceneGraphModel.load(exported_clip, runtime="torch").runtime_info
    assert (info.runtime, info.precision) == ("torch", "fp32")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_missing_provider_is_reported_not_hidden(exported_clip, provider, caplog) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime may really have the provider")
    info = SceneGraphModel.load(exported_clip, provider=provider).runtime_info
    assert (info.provider_requested, info.provider_used) == (provider, "cpu")
    assert provider in info.notes[0]
    assert provider in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"provider": "tensorrt"},
        {"precision": "int8"},
        {"precision": "fp16"},
        {"provider": "cuda"},
    ],
)
def test_torch_refuses_what_it_does_not_run(clip_folder, options) -> None:
    torch = pytest.importorskip("torch")
    if options == {"provider": "cuda"} and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelError, match="torch"):
        SceneGraphModel.load(clip_folder, runtime="torch", **options)


HEAVY = ("torch", "transformers", "onnxruntime", "rclpy")


def loaded_modules(code: str) -> set[str]:
    """Which of ``HEAVY`` are loaded after ``code`` in a fresh interpreter."""
    script = f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_vlm_loads_no_runtime() -> None:
    assert loaded_modules("import spacesgg_ros.vlm") == set()


def test_the_onnx_runtime_works_without_torch(exported_clip) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import numpy; from spacesgg_ros.vlm import SceneGraphModel\n"
        f"model = SceneGraphModel.load({str(exported_clip)!r})\n"
        "model.write_graph(numpy.zeros((9, 12, 3), numpy.uint8))\n"
        "del sys.modules['torch'], sys.modules['transformers']"
    )
    assert loaded_modules(code) == {"onnxruntime"}


def test_an_adapter_needs_a_runtime_that_can_take_it(clip_folder) -> None:
    with pytest.raises(ModelError, match="spacesgg merge ADAPTER --out FOLDER && spacesgg export"):
        SceneGraphModel.load(clip_folder, adapter="ADAPTER")
    with pytest.raises(ModelError, match="no adapter 'nowhere'"):
        SceneGraphModel.load(clip_folder, runtime="torch", adapter="nowhere")


def test_an_adapter_changes_what_torch_writes(clip_folder, tmp_path) -> None:
    peft = pytest.importorskip("peft")
    torch = pytest.importorskip("torch")
    from spacesgg_ros.vlm.folder import open_folder
    from spacesgg_ros.vlm.torch_runtime import load_llava

    config = peft.LoraConfig(
        r=2, target_modules=r".*language_model.*\.q_proj", init_lora_weights=False
    )
    torch.manual_seed(0)
    peft.get_peft_model(load_llava(open_folder(clip_folder)), config).save_pretrained(tmp_path)
    plain = SceneGraphModel.load(clip_folder, runtime="torch")
    adapted = SceneGraphModel.load(clip_folder, runtime="torch", adapter=str(tmp_path))
    assert adapted.model_id == f"{plain.model_id}+{tmp_path.name}"
    rgb = np.full((24, 32, 3), 90, np.uint8)
    one, other = (m._runtime.encode_image(m.preprocess(rgb)).tokens for m in (plain, adapted))
    assert np.array_equal(one, other)  # the tower and the projector are the base's
    inputs = np.random.default_rng(0).normal(size=(5, one.shape[-1])).astype(np.float32)
    logits = [m._runtime.prefill(inputs, 8) for m in (plain, adapted)]
    assert not np.allclose(*logits)
