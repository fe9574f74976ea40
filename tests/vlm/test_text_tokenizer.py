import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.graph import TextGraph, TextObject, TextRelation, write_graph
from spacesgg_ros.vlm.text_tokenizer import SPECIAL_TOKENS, TAG_TOKENS, build_tokenizer

TOKENIZER = build_tokenizer(["coffee mug", "next to", "plate"])


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


@given(st.text() | st.text("<>[]/,refboxpd 0123456789\n"))
def test_decoding_gives_any_text_back(text: str) -> None:
    assert TOKENIZER.decode(encode(text), skip_special_tokens=False) == text


def test_an_object_takes_a_token_for_each_tag_word_and_coordinate() -> None:
    tokens = TOKENIZER.encode(
        "<ref>coffee mug</ref><box>[[412, 640, 498, 771]]</box>", add_special_tokens=False
    ).tokens
    assert len(tokens) == 1 + 2 + 1 + 7 + 1


def test_canonical_text_has_no_token_across_its_parts() -> None:
    graph = TextGraph(
        (TextObject(("plate",), (0, 10, 200, 999)), TextObject(("coffee mug",), (7, 8, 9, 10))),
        (TextRelation(1, "next to", 0),),
    )
    text = write_graph(graph)
    tokens = [TOKENIZER.decode([token]) for token in encode(text)]
    assert set(tokens) - set(TAG_TOKENS) == {
        *("plate", "coffee", " mug", "next", " to", "\n"),
        *("0", "10", "200", "999", "7", "8", "9"),
    }


@pytest.mark.parametrize("number", [0, 9, 10, 99, 100, 412, 999])
def test_a_coordinate_is_one_token(number: int) -> None:
    assert len(encode(str(number))) == 1


def test_ids_depend_on_the_words_alone() -> None:
    again = build_tokenizer(["plate", "mug", "to", "coffee", "next", "plate"])
    assert again.get_vocab() == TOKENIZER.get_vocab()
    assert [TOKENIZER.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_the_start_token_comes_first_where_special_tokens_are_asked_for() -> None:
    assert TOKENIZER.encode("plate").tokens == ["<s>", "plate"]


def test_transformers_reads_the_processor_files(clip_folder, picture) -> None:
    transformers = pytest.importorskip("transformers")
    from spacesgg_ros.vlm.prompts import render_training_text

    processor = transformers.AutoProcessor.from_pretrained(clip_folder)
    batch = processor(images=picture, text=render_training_text("Write the scene graph.", "plate"))
    ids = batch["input_ids"][0]
    assert ids.count(processor.image_token_id) == 16  # (32 / 8) ** 2, class token dropped
    assert processor.tokenizer.decode(ids).replace("<image>", "") == (
        "<s>USER: \nWrite the scene graph. ASSISTANT:plate</s>"
    )
