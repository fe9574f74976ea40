import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from spacesgg_ros.graph import TextGraph, TextObject, TextRelation, write_graph
from spacesgg_ros.vlm.text_tokenizer import (
    COORDINATE_FORMS,
    SPECIAL_TOKENS,
    TAG_TOKENS,
    build_tokenizer,
    find_coordinates,
)

TOKENIZER = build_tokenizer(["coffee mug", "next to", "plate"])


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


@given(st.text() | st.text("<>[]/,refboxpd 0123456789\n"))
def test_decoding_gives_any_text_back(text: str) -> None:
    assert TOKENIZER.decode(encode(text), skip_special_tokens=False) == text


def test_an_object_takes_a_token_for_each_tag_name_and_coordinate() -> None:
    tokens = TOKENIZER.encode(
        "<ref>coffee mug</ref><box>[[412, 640, 498, 771]]</box>", add_special_tokens=False
    ).tokens
    assert len(tokens) == 1 + 1 + 1 + 4 + 1


def test_canonical_text_has_no_token_across_its_parts() -> None:
    graph = TextGraph(
        (TextObject(("plate",), (0, 10, 200, 999)), TextObject(("coffee mug",), (7, 8, 9, 10))),
        (TextRelation(1, "next to", 0),),
    )
    text = write_graph(graph)
    tokens = [TOKENIZER.decode([token]) for token in encode(text)]
    assert set(tokens) - set(TAG_TOKENS) == {
        *("plate", "coffee mug", "next to"),
        *("0, ", "10, ", "200, ", "999", "7, ", "8, ", "9, ", "10"),
    }


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The coffee mug is next to the plate.", ["coffee mug", "next to", "plate"]),
        ("coffee mugs", ["coffee"]),  # of which only the word is known
        ("next town", ["next"]),
        ("to the left of", ["to the left of"]),  # the nine labels are always names
    ],
)
def test_a_name_of_several_words_is_one_token_where_it_stands_whole(
    text: str, tokens: list[str]
) -> None:
    found = [TOKENIZER.decode([token]).strip() for token in encode(text)]
    assert [piece for piece in found if len(piece) > 3 and piece != "the"] == tokens


def test_a_coordinate_is_one_token_with_its_comma_and_without() -> None:
    for form in COORDINATE_FORMS:
        ids = find_coordinates(TOKENIZER, form)
        assert [TOKENIZER.decode([token]) for token in ids] == [form.format(n) for n in range(1000)]


def test_a_tokenizer_that_spells_numbers_has_no_coordinates() -> None:
    assert find_coordinates(Tokenizer(models.BPE({"1": 0, "2": 1}, [])), "{}") == []


def test_ids_depend_on_the_words_alone() -> None:
    again = build_tokenizer(["plate", "next to", "coffee mug", "mug", "to", "plate"])
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
