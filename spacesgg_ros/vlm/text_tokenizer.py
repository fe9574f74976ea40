r"""The tokenizer of small models: a tag, a name or a coordinate is one token.

To make the processor files of a model folder (no torch, no transformers needed)::

    tokenizer = save_processor(
        "models/tabletop", words=["coffee", "mug", "plate", ...],
        image_size=320, image_mean=(...), image_std=(...), patch_size=32,
        num_additional_image_tokens=0, vision_feature_select_strategy="full",
    )
    text_config.vocab_size = tokenizer.get_vocab_size()      # image, pad, bos, eos ids:
    image_token_id = tokenizer.token_to_id("<image>")         # PAD_ID, BOS_ID, EOS_ID, IMAGE_ID

``AutoProcessor.from_pretrained(folder)`` then gives transformers' own ``LlavaProcessor``:
``processor(images=image, text=render_training_text(prompt, answer))`` puts ``<s>`` in front
and expands ``<image>`` to ``(image_size // patch_size) ** 2 + num_additional_image_tokens``
tokens (one less with strategy "default").

``words`` may hold labels of several words: each is one token, as the predicates always are, so
that a thing's name is read and written in one step. So is each of their words. All get one token
alone and one after a space; words of the prompts are always there. Any other text falls back to
bytes, so encoding and decoding are exact for every string.

How it works: byte-level BPE without a single merge rule and with ``ignore_merges``, so that
a piece of the pre-tokenizer's regular expression is one token where the vocabulary has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.vlm import prompts

UNK_ID, BOS_ID, EOS_ID, PAD_ID, IMAGE_ID = range(5)
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", "<pad>", prompts.IMAGE_TOKEN)
"""In the order of their ids."""

TAG_TOKENS = (
    "<ref>",
    "\n<ref>",
    "</ref><box>[[",
    "]]</box>",
    "<pred>",
    "\n<pred>",
    "</pred><box>[[",
    "]]</box><box>[[",
)
"""The skeleton of canonical graph text (``spacesgg_ros.graph.write_graph``)."""

COORDINATE_FORMS = ("{}", "{}, ")
"""A coordinate is one token as the last of its box and, with the comma, before another."""

_PROMPT_WORDS = " ".join(
    (
        prompts.SCENE_GRAPH_PROMPT,
        prompts.CLASSIFY_PROMPT,
        prompts.DESCRIBE_PROMPT,
        prompts.OPEN_PROMPT,
        "USER ASSISTANT Layer",
    )
)


def build_tokenizer(words: Iterable[str]) -> Tokenizer:
    """A tokenizer whose vocabulary is ``words``, 0..999, the tags and all bytes.

    Ids: ``SPECIAL_TOKENS`` first, then the 256 bytes, tags, integers, words and names in sorted
    order, so the same words always give the same ids. ``encode`` puts ``<s>`` in front unless
    ``add_special_tokens=False``.
    """
    vocabulary = {token: index for index, token in enumerate(SPECIAL_TOKENS)}
    words = [*words, *VSD_LABELS]
    names = {name for name in words if re.fullmatch("[A-Za-z]+( [A-Za-z]+)+", name)}
    found = {word for text in (*words, _PROMPT_WORDS) for word in re.findall("[A-Za-z]+", text)}
    numbers = [form.format(n) for form in COORDINATE_FORMS for n in range(1000)]
    pieces = [*TAG_TOKENS, ", ", *numbers]
    pieces += [form for word in sorted(found | names) for form in (word, " " + word)]
    for symbol in (*sorted(_BYTE_SYMBOLS), *(_to_byte_symbols(piece) for piece in pieces)):
        vocabulary.setdefault(symbol, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_write_pieces(names)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", BOS_ID)]
    )
    return tokenizer


def find_coordinates(tokenizer: Tokenizer, form: str) -> list[int]:
    """Token ids of 0 to 999 in one of :data:`COORDINATE_FORMS`; none if one takes more tokens."""
    texts = [form.format(value) for value in range(1000)]
    found = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return [ids[0] for ids in found] if all(len(ids) == 1 for ids in found) else []


def _write_pieces(names: Iterable[str]) -> str:
    """The regular expression that cuts text where tokens may meet; the longest piece wins."""
    longest_first = [sorted(some, key=len, reverse=True) for some in (TAG_TOKENS, sorted(names))]
    tags, phrases = ("|".join(re.escape(piece) for piece in some) for some in longest_first)
    pieces = [
        tags,
        rf" ?(?:{phrases})(?![A-Za-z])",
        r"\n",
        " ?[A-Za-z]+",
        "[0-9]{1,3}(?:, )?",
        ", ",
    ]
    return "|".join(pieces).replace("\\ ", " ").replace("\\\n", r"\n")


def save_processor(
    folder: str | Path,
    words: Iterable[str],
    image_size: int,
    image_mean: Sequence[float],
    image_std: Sequence[float],
    patch_size: int = 32,
    num_additional_image_tokens: int = 0,
    vision_feature_select_strategy: str = "full",
    model_max_length: int = 2048,
) -> Tokenizer:
    """Write the tokenizer, image processor and chat template files of a LLaVA folder.

    The image processor pads to a square with the mean colour, then resizes (bicubic) to
    ``image_size`` and normalises, as LLaVA-1.5 does and as the boxes' 0..999 frame wants.

    Args:
        image_size: side of the tower's input in pixels.
        image_mean, image_std: three values for RGB in 0..1.
        patch_size: pixels per image token along each side.
        num_additional_image_tokens: 1 for a tower with a class token, else 0.
        vision_feature_select_strategy: "default" drops the first token, "full" keeps all.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(words)
    tokenizer.save(str(folder / "tokenizer.json"))
    side = {"height": image_size, "width": image_size}
    image_processor = {
        "image_processor_type": "LlavaImageProcessor",
        "do_convert_rgb": True,
        "do_pad": True,
        "do_resize": True,
        "size": side,
        "resample": 3,
        "do_center_crop": False,
        "crop_size": side,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [float(value) for value in image_mean],
        "image_std": [float(value) for value in image_std],
    }
    _write_json(folder / "preprocessor_config.json", image_processor)
    _write_json(
        folder / "processor_config.json",
        {
            "processor_class": "LlavaProcessor",
            "image_processor": image_processor,
            "image_token": prompts.IMAGE_TOKEN,
            "patch_size": patch_size,
            "num_additional_image_tokens": num_additional_image_tokens,
            "vision_feature_select_strategy": vision_feature_select_strategy,
        },
    )
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "processor_class": "LlavaProcessor",
            "unk_token": "<unk>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "image_token": prompts.IMAGE_TOKEN,
            "extra_special_tokens": {"image_token": prompts.IMAGE_TOKEN},
            "model_max_length": model_max_length,
            "padding_side": "right",
            "clean_up_tokenization_spaces": False,
        },
    )
    (folder / "chat_template.jinja").write_text(prompts.CHAT_TEMPLATE, encoding="utf-8")
    return tokenizer


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


_BYTE_SYMBOLS = pre_tokenizers.ByteLevel.alphabet()


def _to_byte_symbols(piece: str) -> str:
    """``piece`` in the printable alphabet that byte-level BPE writes its vocabulary in."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(symbols for symbols, _ in split.pre_tokenize_str(piece))
