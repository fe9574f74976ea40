"""What the model is fed and what it learns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from PIL import Image

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rows import Row, make_turns, read_rows, write_rows
from spacesgg_ros.training.engine.batches import BatchPlan, Pool
from spacesgg_ros.training.engine.dataset import Collator, Example, make_pools
from spacesgg_ros.training.engine.encoding import (
    ConversationEncoder,
    count_image_tokens,
    encode_rows,
)
from spacesgg_ros.training.engine.loss import TokenLoss
from spacesgg_ros.training.engine.recipe import DataSource
from spacesgg_ros.vlm.folder import open_folder, read_prompt_ids
from spacesgg_ros.vlm.preprocess import ImagePreprocessor

TALK = [("What is on the book?", "The mug."), ("Where is it?", "next to the plate")]


def test_only_the_answers_and_their_end_tokens_are_learnt(clip_llava: Path) -> None:
    folder = open_folder(clip_llava)
    encoded = ConversationEncoder(folder).encode_all([TALK])[0]
    tokenizer = folder.load_tokenizer()
    learnt = tokenizer.decode(encoded.ids[encoded.learnt].tolist(), skip_special_tokens=False)
    assert learnt == "The mug.</s>next to the plate</s>"
    whole = tokenizer.decode(encoded.ids.tolist(), skip_special_tokens=False)
    assert whole == (
        "<s>USER: <image>\nWhat is on the book? ASSISTANT:The mug.</s>"
        "USER: Where is it? ASSISTANT:next to the plate</s>"
    )


def test_the_prompt_is_what_inference_feeds(clip_llava: Path, own_llava: Path) -> None:
    for path in (clip_llava, own_llava):
        folder = open_folder(path)
        encoded = ConversationEncoder(folder).encode_all([TALK[:1]])[0]
        asked = read_prompt_ids(folder, folder.load_tokenizer(), TALK[0][0])
        assert encoded.ids[: len(asked)].tolist() == asked
        assert not encoded.learnt[: len(asked)].any() and encoded.learnt[len(asked) :].all()


def test_a_folder_with_llava_1_5s_template_gets_its_follow_ups(
    clip_llava: Path, tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(clip_llava, tmp_path / "m")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['role'].upper() + ': ' }}"
        "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n{% endif %}{% endfor %}"
        "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] + ' ' }}{% endif %}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )
    opened = open_folder(folder)
    encoded = ConversationEncoder(opened).encode_all([TALK])[0]
    text = opened.load_tokenizer().decode(encoded.ids.tolist(), skip_special_tokens=False)
    assert text.endswith("The mug.</s>USER: Where is it? ASSISTANT:next to the plate</s>")


def test_the_image_is_spread_and_labelled_as_by_transformers(clip_llava: Path) -> None:
    from transformers import AutoProcessor

    folder = open_folder(clip_llava)
    tokens = count_image_tokens(folder, ImagePreprocessor.from_folder(folder.path))
    encoded = ConversationEncoder(folder).encode_all([TALK, TALK[:1]])
    pixels = np.zeros((3, 32, 32), np.float32)
    batch = Collator(folder.image_token_id, tokens, 3)([Example(*e, pixels) for e in encoded])
    processor = AutoProcessor.from_pretrained(clip_llava)
    theirs = processor(
        images=Image.new("RGB", (40, 30)),
        text="USER: <image>\nWhat is on the book? ASSISTANT:The mug.</s>",
        return_tensors="pt",
    )["input_ids"][0]
    ours = batch["input_ids"][1]
    assert ours[: len(theirs)].tolist() == theirs.tolist()
    assert (ours[len(theirs) :] == 3).all()
    learnt = batch["labels"] != -100
    assert torch.equal(batch["labels"][learnt], batch["input_ids"][learnt])
    assert learnt.sum(1).tolist() == [int(e.learnt.sum()) for e in encoded]


def test_rows_are_encoded_once_and_read_back(
    own_llava: Path, rows_file: Path, tmp_path: Path
) -> None:
    folder = open_folder(own_llava)
    first = encode_rows(rows_file, rows_file.parent, folder, tmp_path)
    calls: list[int] = []
    again = encode_rows(rows_file, rows_file.parent, folder, tmp_path, lambda n, _: calls.append(n))
    rows = list(read_rows(rows_file))
    assert not calls and len(again) == len(rows)
    assert [again.row(k) for k in range(len(rows))] == rows
    assert np.array_equal(first.conversation(5).ids, again.conversation(5).ids)
    assert again.image_names[again.images[4]] == (rows[4].image, rows[4].mirror)


def test_boxes_move_when_rows_are_encoded(own_llava: Path, tmp_path: Path) -> None:
    said = "<ref>mug</ref><box>[[110, 220, 330, 440]]</box>"
    write_rows(tmp_path / "r.jsonl", [Row("x", "x.png", 4, 4, "objects", make_turns([("", said)]))])
    folder = open_folder(own_llava)
    texts = []
    for noise in (0, 20):
        rows = encode_rows(tmp_path / "r.jsonl", tmp_path, folder, tmp_path, box_noise=noise)
        ids, learnt = rows.conversation(0)
        texts.append(folder.load_tokenizer().decode(ids[learnt].tolist()))
    assert said in texts[0] and said not in texts[1] and "<ref>mug</ref><box>[[" in texts[1]


@pytest.mark.parametrize("noise", [0, 20])
def test_what_is_given_is_not_learnt(own_llava: Path, tmp_path: Path, noise: int) -> None:
    given = "<ref>mug</ref><box>[[110, 220, 330, 440]]</box>"
    told = "\n<pred>on</pred><box>[[110, 220, 330, 440]]</box><box>[[110, 220, 330, 440]]</box>"
    turns = make_turns([("", given + told), ("Where?", "next to")])
    write_rows(tmp_path / "r.jsonl", [Row("x", "x.png", 4, 4, "graph", turns, given=given)])
    folder = open_folder(own_llava)
    decode = folder.load_tokenizer().decode
    ids, learnt = encode_rows(
        tmp_path / "r.jsonl", tmp_path, folder, tmp_path, box_noise=noise
    ).conversation(0)
    whole, said = decode(ids.tolist()), decode(ids[learnt].tolist())
    assert "<ref>mug</ref>" in whole and "<ref>" not in said
    assert said.lstrip().startswith("<pred>on</pred>") and said.endswith("next to")
    assert all(box in told for box in re.findall(r"\[\[.*?\]\]", whole))  # the model's own stay


def test_near_copies_are_listed_and_not_learnt(own_llava: Path, tmp_path: Path) -> None:
    mug, book = "[[110, 220, 330, 440]]", "[[0, 300, 999, 640]]"
    listed = f"<ref>mug</ref><box>{mug}</box>\n<ref>book</ref><box>{book}</box>"
    text = f"{listed}\n<pred>on</pred><box>{mug}</box><box>{book}</box>"
    turns = make_turns([("", text)])
    tasks = ("graph", "description")
    write_rows(tmp_path / "r.jsonl", [Row(t, "x.png", 4, 4, t, turns) for t in tasks])
    folder = open_folder(own_llava)
    rows = encode_rows(tmp_path / "r.jsonl", tmp_path, folder, tmp_path, near_copies=True)
    decode = folder.load_tokenizer().decode
    graph, description = (rows.conversation(k) for k in range(2))
    assert decode(graph.ids.tolist()).count("<ref>") > 2
    assert decode(graph.ids[graph.learnt].tolist()).lstrip().startswith("<pred>on</pred>")
    assert decode(description.ids[description.learnt].tolist()).count("<ref>") == 2


def test_an_answer_with_an_end_token_is_refused(own_llava: Path, tmp_path: Path) -> None:
    turns = make_turns([("What?", "a mug</s> on")])
    write_rows(tmp_path / "r.jsonl", [Row("x", "x.png", 4, 4, "qa", turns)])
    with pytest.raises(InputError, match="special token"):
        encode_rows(tmp_path / "r.jsonl", tmp_path, open_folder(own_llava), tmp_path)


def test_a_broken_row_is_refused_by_its_line(own_llava: Path, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(InputError, match="line 1: missing image"):
        encode_rows(tmp_path / "r.jsonl", tmp_path, open_folder(own_llava), tmp_path)


def test_tasks_get_their_share_and_long_rows_are_left_out(
    own_llava: Path, rows_file: Path, tmp_path: Path
) -> None:
    rows = [encode_rows(rows_file, rows_file.parent, open_folder(own_llava), tmp_path)]
    source = DataSource(str(rows_file), weights={"graph": 3, "qa": 1})
    pools, lengths, too_long = make_pools(rows, [source], 16, 512)
    assert not too_long and [len(p.rows) for p in pools] == [6, 6]
    plan = BatchPlan(pools, lengths, 4, 48, seed=0)
    drawn = np.array([row for batch in plan for row in batch])
    graphs = np.isin(drawn, pools[0].rows)
    assert graphs.mean() == 0.75
    counts = np.bincount(drawn[graphs])
    assert set(counts[pools[0].rows]) == {24}
    longest = int(lengths.max())
    _, _, too_long = make_pools(rows, [DataSource(str(rows_file))], 16, longest - 1)
    assert too_long == int((lengths == longest).sum())
    with pytest.raises(InputError, match="every row is longer"):
        make_pools(rows, [DataSource(str(rows_file))], 16, 5)
    with pytest.raises(InputError, match="no row of task 'description'"):
        make_pools(rows, [DataSource("r", weights={"description": 1})], 16, 512)


def test_batches_depend_on_seed_and_number_alone() -> None:
    lengths = np.random.default_rng(0).integers(5, 90, 100)
    pools = [Pool(np.arange(60), 1.0), Pool(np.arange(60, 100), 2.0)]

    def plan(**changes: object) -> BatchPlan:
        return BatchPlan(pools, lengths, 5, 40, **{"seed": 3} | changes)  # type: ignore[arg-type]

    straight = list(plan())
    assert len(straight) == 40 == len(plan())
    assert straight == [plan().batch(n) for n in range(40)]
    assert straight != list(plan(seed=4))


def test_batches_have_rows_of_one_length_and_processes_the_same_work() -> None:
    lengths = np.random.default_rng(1).integers(5, 300, 4000)
    plan = BatchPlan([Pool(np.arange(4000), 1.0)], lengths, 8, 512, seed=0, processes=2)
    padding = [lengths[b].max() * len(b) / lengths[b].sum() for b in plan]
    assert np.mean(padding) < 1.08
    longest = np.array([lengths[b].max() for b in plan]).reshape(-1, 2)
    assert np.abs(np.diff(longest)).mean() < 12  # random batches would differ by dozens
    assert sorted(row for b in plan for row in b)[:3] == [0, 1, 2]


def test_coordinate_targets_prefer_near_misses(own_llava: Path) -> None:
    tokenizer = open_folder(own_llava).load_tokenizer()
    loss = TokenLoss(tokenizer, 4.0)

    def cost(said: str, target: str) -> float:
        logits = torch.zeros(1, tokenizer.get_vocab_size())
        logits[0, tokenizer.token_to_id(said)] = 10
        return float(loss(logits, torch.tensor([tokenizer.token_to_id(target)])))

    assert cost("412", "412") < cost("414", "412") < cost("600", "412")
    assert cost("mug", "mug") < 1 < cost("412", "mug")


def test_boxes_after_a_predicate_are_exact_copies(own_llava: Path) -> None:
    tokenizer = open_folder(own_llava).load_tokenizer()
    loss = TokenLoss(tokenizer, 4.0)

    right, wrong = (
        tokenizer.encode(text, add_special_tokens=False).ids[0] for text in ("412, ", "413, ")
    )

    def cost_of_a_near_miss(text: str) -> float:
        ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)
        logits = torch.zeros(len(ids), tokenizer.get_vocab_size())
        logits[torch.arange(len(ids)), ids] = 30
        at = (ids == right).nonzero()[-1]
        exact = float(loss(logits, ids))
        logits[at, wrong] = 30
        return float(loss(logits, ids)) - exact

    name = "<ref>mug</ref><box>[[412, 2, 3, 4]]</box>"
    copy = "<pred>on</pred><box>[[412, 2, 3, 4]]</box>"
    assert cost_of_a_near_miss(name) < 0  # two neighbours share the bump
    assert cost_of_a_near_miss(f"{name} {copy}") > 0.5
    assert cost_of_a_near_miss(f"{copy} {name}") < 0  # a name again: soft again


def test_a_copy_is_one_of_a_listed_box(own_llava: Path) -> None:
    folder = open_folder(own_llava)
    tokenizer = folder.load_tokenizer()
    loss = TokenLoss(tokenizer, 4.0, folder.eos_token_ids[0])

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    cup = "<ref>cup</ref><box>[[700, 5, 705, 8]]</box></s>"
    listed = "<ref>mug</ref><box>[[412, 2, 413, 4]]</box><ref>bowl</ref><box>[[80, 2, 83, 4]]</box>"
    ids = torch.tensor(encode(f"{cup}{listed}<pred>on</pred><box>[[412, 2, 413, 4]]</box></s>"))

    def cost(target: str, said: str) -> float:
        at = (ids == encode(target)[0]).nonzero()[-1]
        logits = torch.zeros(len(ids), tokenizer.get_vocab_size())
        logits[torch.arange(len(ids)), ids] = 30
        logits[at, ids[at]] = 0
        logits[at, encode(said)[0]] = 30
        return float(loss(logits, ids))

    right, another = cost("412, ", "412, "), cost("412, ", "80, ")
    between, elsewhere = cost("412, ", "246, "), cost("412, ", "700, ")
    assert another > right + 20
    assert between == pytest.approx(elsewhere) and between > another + 4.9
    # The third number of another box: after these two it belongs to none that was listed.
    off = cost("413, ", "83, ")
    assert off == pytest.approx(cost("413, ", "500, ")) and off > another + 4.9


def test_a_copy_is_one_of_a_listed_box_that_is_given(own_llava: Path) -> None:
    folder = open_folder(own_llava)
    tokenizer = folder.load_tokenizer()
    loss = TokenLoss(tokenizer, 4.0, folder.eos_token_ids[0])

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    given = encode("<ref>mug</ref><box>[[412, 2, 413, 4]]</box><ref>cup</ref><box>[[7, 5, 9, 8]]")
    copy = encode("</box><pred>on</pred><box>[[412, 2, 413, 4]]</box></s>")
    ids = torch.tensor([[*given, *copy]])
    learnt = torch.arange(ids.shape[1])[None] >= len(given)
    at = copy.index(encode("412, ")[0])

    def cost(said: str) -> float:
        logits = torch.zeros(len(copy), tokenizer.get_vocab_size())
        logits[torch.arange(len(copy)), torch.tensor(copy)] = 30
        logits[at, copy[at]] = 0
        logits[at, encode(said)[0]] = 30
        return float(loss(logits, ids, learnt))

    assert cost("412, ") == pytest.approx(0, abs=1e-3)
    assert cost("7, ") == pytest.approx(30, abs=0.01)  # another thing of the list
    assert cost("200, ") == pytest.approx(35, abs=0.01)


def test_coordinate_targets_need_number_tokens() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    digits = Tokenizer(models.WordLevel({str(n): n for n in range(10)} | {"?": 10}, "?"))
    digits.pre_tokenizer = pre_tokenizers.Digits(individual_digits=True)
    with pytest.raises(InputError, match="0 to 999 as one token each; this one writes 999 as 3"):
        TokenLoss(digits, 4.0)
