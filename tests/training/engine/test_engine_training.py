"""Short runs of tiny models: what changes, what is written, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")

import torch
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.resources import resource
from spacesgg_ros.training.data.rows import TASKS
from spacesgg_ros.training.engine.adapters import merge_adapter
from spacesgg_ros.training.engine.loss import AnswerLogits, TokenLoss
from spacesgg_ros.training.engine.recipe import find_recipe, make_recipe, read_settings
from spacesgg_ros.training.engine.run import build_trainer, check_machine, train_recipe
from spacesgg_ros.training.engine.run_folder import RunFolder
from spacesgg_ros.vlm.folder import open_folder

LORA = {"rank": 4, "alpha": 8, "targets": ["q_proj", "v_proj"]}
SHIPPED = [
    name
    for file in sorted(resource("training/recipes").rglob("*.yaml"))
    if file.parent.name != "parallel"
    and read_settings(file).get("kind") != "tower"
    and (name := str(file.relative_to(resource("training/recipes")).with_suffix("")))
]


def read_log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def train(settings: dict, run: Path) -> Path:
    return train_recipe(make_recipe(settings), run)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_runs_two_steps(
    name: str, clip_llava: Path, own_llava: Path, rows_file: Path, tmp_path: Path
) -> None:
    overrides = [
        f"model={own_llava if name.startswith('embedded') else clip_llava}",
        "language_model_from=''",
        "batch.size=2",
        "batch.accumulation=1",
        "max_steps=2",
        "log_every=1",
        "precision=fp32",
        "parallel=none",
        "workers=0",
        f"cache={tmp_path / 'cache'}",
    ]
    settings = read_settings(find_recipe(name), overrides)
    known = {"graph", "objects", "caption", "qa"}
    for source in settings["data"]:
        source["rows"], source["images"] = str(rows_file), ""
        if source.get("weights"):
            assert set(source["weights"]) <= set(TASKS)
            kept = {t: w for t, w in source["weights"].items() if t in known}
            source["weights"] = kept or {"graph": 1}
    result = train(settings, tmp_path / "run")
    log = read_log(tmp_path / "run")
    assert [entry["step"] for entry in log] == [1, 2]
    assert all(entry["loss"] > 0 and entry["learning_rate"] > 0 for entry in log)
    assert (result / "config.json").is_file() or (result / "adapter_config.json").is_file()


def test_a_full_run_writes_a_folder_that_transformers_loads(
    settings: Callable[..., dict], clip_llava: Path, tmp_path: Path
) -> None:
    result = train(settings(max_steps=6, cached_tower=True), tmp_path)
    model, loading = LlavaForConditionalGeneration.from_pretrained(
        result, output_loading_info=True, dtype=torch.float32
    )
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    before = LlavaForConditionalGeneration.from_pretrained(clip_llava, dtype=torch.float32)
    changed = {
        name.split(".")[1]
        for (name, a), b in zip(before.named_parameters(), model.parameters(), strict=True)
        if (a - b).abs().max() > 2e-4  # more than half precision's rounding
    }
    assert changed == {"multi_modal_projector", "language_model"}
    kept = {p.name for p in (tmp_path / "checkpoints").iterdir()}
    assert kept == {"checkpoint-4", "checkpoint-6"}
    checkpoint = tmp_path / "checkpoints" / "checkpoint-4"
    assert LlavaForConditionalGeneration.from_pretrained(checkpoint).model.vision_tower is not None
    for name in ("recipe.yaml", "run.json", "log.jsonl", "curves.png", "tensorboard"):
        assert (tmp_path / name).exists()
    assert model.config.to_dict().get("use_cache", True)  # off while it trained
    noted = json.loads((tmp_path / "run.json").read_text())
    assert len(noted["data_manifest"]) == 64 and noted["versions"]["torch"]


def test_a_cached_tower_learns_what_pixels_do(
    settings: Callable[..., dict], own_llava: Path, clip_llava: Path, tmp_path: Path
) -> None:
    # The own tower takes its strongest peaks: with random weights many are equally strong, and
    # rounding decides which are taken.
    for model, tolerance in ((clip_llava, 1e-3), (own_llava, 0.05)):
        losses = []
        for cached in (True, False):
            run = tmp_path / f"{model.name}-{cached}"
            train(settings(model=str(model), cached_tower=cached), run)
            losses.append([entry["loss"] for entry in read_log(run)])
        assert losses[0] == pytest.approx(losses[1], rel=tolerance)


def test_the_loss_is_the_one_transformers_computes(
    settings: Callable[..., dict], clip_llava: Path, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    trainer = build_trainer(make_recipe(settings()), run, open_folder(clip_llava))
    batch = next(iter(trainer.get_train_dataloader()))
    ours = trainer.compute_loss(trainer.model, batch)
    trainer._answer_logits.remove()
    mask = (batch["input_ids"] != 3).long()
    theirs = trainer.model(**batch, attention_mask=mask).loss
    assert float(ours) == pytest.approx(float(theirs), abs=1e-5)


def test_logits_are_made_for_learnt_tokens_only(clip_llava: Path) -> None:
    model = LlavaForConditionalGeneration.from_pretrained(clip_llava)
    logits_of = AnswerLogits(model.lm_head)
    labels = torch.tensor([[-100, -100, 7, 8], [-100, -100, -100, 9]])
    inputs = {"input_ids": torch.randint(10, 50, (2, 4)), "labels": labels}
    logits, learnt = logits_of(model, inputs)
    assert labels[:, 1:][learnt].tolist() == [7, 8, 9]
    assert logits.shape == (3, model.config.text_config.vocab_size)
    assert TokenLoss()(logits, inputs["input_ids"][:, 1:], learnt).item() > 0


def test_accumulated_batches_count_every_token_once(
    settings: Callable[..., dict], clip_llava: Path, tmp_path: Path
) -> None:
    trainer = build_trainer(
        make_recipe(settings(batch={"size": 4})), RunFolder(tmp_path), open_folder(clip_llava)
    )
    batch = next(iter(trainer.get_train_dataloader()))
    whole = trainer.compute_loss(trainer.model, batch)
    tokens = (batch["labels"][:, 1:] != -100).sum()
    halves = [{k: v[part] for k, v in batch.items()} for part in (slice(0, 1), slice(1, 4))]
    parts = [trainer.compute_loss(trainer.model, h, num_items_in_batch=tokens) for h in halves]
    assert float(sum(parts)) == pytest.approx(float(whole), rel=1e-4)


def test_an_adapter_loads_by_peft_alone_and_merges_to_the_same_model(
    settings: Callable[..., dict], clip_llava: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    parts = {"projector": True, "language_model": "lora"}
    adapter = train(settings(train=parts, lora=LORA, learning_rate=1e-2), tmp_path / "run")
    base = LlavaForConditionalGeneration.from_pretrained(clip_llava, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, adapter).eval()
    names = load_file(adapter / "adapter_model.safetensors")
    assert any("multi_modal_projector" in n for n in names)
    assert all("language_model" in n for n in names if "lora" in n)
    merged = LlavaForConditionalGeneration.from_pretrained(
        merge_adapter(adapter, tmp_path / "merged", precision="fp32"), dtype=torch.float32
    ).eval()
    inputs = {
        "input_ids": torch.tensor([[1, *[4] * 16, 20, 30]]),
        "pixel_values": torch.randn(1, 3, 32, 32),
    }
    with torch.no_grad():
        expected, got = adapted(**inputs).logits, merged(**inputs).logits
    assert torch.allclose(expected, got, atol=1e-4)
    with pytest.raises(InputError, match="exists"):
        merge_adapter(adapter, tmp_path / "merged")


def test_lora_targets_must_be_layers_of_the_language_model(
    settings: Callable[..., dict], tmp_path: Path
) -> None:
    chosen = settings(train={"language_model": "lora"}, lora=LORA | {"targets": ["qproj"]})
    with pytest.raises(InputError, match="no linear layer qproj; it has down_proj"):
        train(chosen, tmp_path)


def test_parts_have_their_own_learning_rates(
    settings: Callable[..., dict], clip_llava: Path, tmp_path: Path
) -> None:
    rates = {"default": 1e-3, "projector": 1e-2, "vision_tower": 1e-5}
    chosen = settings(learning_rate=rates, train={"vision_tower": True})
    trainer = build_trainer(make_recipe(chosen), RunFolder(tmp_path), open_folder(clip_llava))
    groups = trainer.create_optimizer().param_groups
    found = {group["name"]: group["lr"] for group in groups}
    assert found == {"projector": 1e-2, "language_model": 1e-3, "vision_tower": 1e-5}


def test_a_finished_run_is_left_alone_and_a_changed_one_refused(
    settings: Callable[..., dict], tmp_path: Path
) -> None:
    result = train(settings(), tmp_path / "run")
    written = (result / "model.safetensors").stat().st_mtime_ns
    assert train(settings(log_every=2), tmp_path / "run") == result
    assert (result / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(InputError, match="holds a run with learning_rate"):
        train(settings(learning_rate=1e-4), tmp_path / "run")


def test_missing_rows_and_images_are_named(
    settings: Callable[..., dict], rows_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no rows file nowhere\.jsonl"):
        train(settings(data=[{"rows": "nowhere.jsonl"}]), tmp_path / "a")
    data = [{"rows": str(rows_file), "images": str(tmp_path)}]
    with pytest.raises(InputError, match=r"names the image 0\.png, which is not in"):
        train(settings(data=data, cached_tower=True), tmp_path / "b")


def test_what_the_machine_cannot_do_is_refused_before_anything_loads(
    settings: Callable[..., dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"accelerate launch --config_file .*fsdp.yaml"):
        check_machine(make_recipe(settings(parallel="fsdp")))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match="add --set parallel=fsdp"):
        check_machine(make_recipe(settings()))
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="fp16 needs a GPU"):
            check_machine(make_recipe(settings(precision="fp16")))


def test_a_language_model_is_taken_from_elsewhere(
    settings: Callable[..., dict], clip_llava: Path, tmp_path: Path
) -> None:
    from transformers import LlamaForCausalLM

    llava = LlavaForConditionalGeneration.from_pretrained(clip_llava, dtype=torch.float32)
    config = llava.config.text_config
    config.vocab_size -= 2  # as Vicuna lacks the image's token
    torch.manual_seed(7)
    vicuna = LlamaForCausalLM(config)
    vicuna.save_pretrained(tmp_path / "vicuna")
    chosen = settings(
        language_model_from=str(tmp_path / "vicuna"),
        fresh=["projector"],
        train={"language_model": "frozen"},
        save_precision="fp32",
        max_steps=1,
    )
    result = train(chosen, tmp_path / "run")
    trained = LlavaForConditionalGeneration.from_pretrained(result, dtype=torch.float32)
    rows = config.vocab_size
    taken = trained.get_input_embeddings().weight[:rows]
    assert torch.equal(taken, vicuna.get_input_embeddings().weight)
    old, new = (m.model.multi_modal_projector.linear_1.weight for m in (llava, trained))
    assert (old - new).abs().max() > 0.01


def test_a_grown_model_is_a_whole_folder(settings: Callable[..., dict], tmp_path: Path) -> None:
    result = train(settings(layers=3), tmp_path)
    grown = LlavaForConditionalGeneration.from_pretrained(result)
    assert grown.config.text_config.num_hidden_layers == 3
    assert grown.model.language_model.layers[1].self_attn.o_proj.weight.abs().sum() > 0


def test_muon_learns_and_keeps_its_state(settings: Callable[..., dict], tmp_path: Path) -> None:
    chosen = settings(optimiser={"name": "muon"}, max_steps=12, learning_rate=1e-2)
    train(chosen, tmp_path)
    losses = [entry["loss"] for entry in read_log(tmp_path)]
    assert losses[-1] < 0.8 * losses[0]
    checkpoint = torch.load(tmp_path / "checkpoints" / "checkpoint-12" / "optimizer.pt")
    kinds = {key for state in checkpoint["state"].values() for key in state}
    assert kinds == {"momentum", "step", "exp_avg", "exp_avg_sq"}
