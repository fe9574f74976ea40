"""Conversations as token ids, encoded once a rows file and read from disk ever after.

The prompt's ids are those inference feeds (``spacesgg_ros.vlm.folder.PromptEncoder``); only the
assistant's tokens, and the end token after each answer, are learnt.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.training.data.rows import TASKS, Row, RowError, manifest_hash, read_rows
from spacesgg_ros.vlm import prompts
from spacesgg_ros.vlm.folder import ModelFolder, PromptEncoder, read_json
from spacesgg_ros.vlm.preprocess import ImagePreprocessor

from .box_noise import move_boxes
from .near_copies import add_near_copies, share_numbers

_FORMAT = 4
_BLOCK = 1024


class Encoded(NamedTuple):
    """A conversation. The image is a single ``image_token_id`` here; the collator spreads it.

    Attributes:
        ids: ``(n,)`` int32 token ids.
        learnt: ``(n,)`` bool, True where the token is the assistant's own or ends its answer.
    """

    ids: np.ndarray
    learnt: np.ndarray


def count_image_tokens(folder: ModelFolder, preprocessor: ImagePreprocessor) -> int:
    """Tokens that the decoder gets for an image, as ``LlavaProcessor`` counts them.

    Raises:
        InputError: the folder's processor does not say.
    """
    file = folder.path / "processor_config.json"
    values = read_json(file) if file.is_file() else {}
    patch, strategy = values.get("patch_size"), values.get("vision_feature_select_strategy")
    if not isinstance(patch, int) or strategy not in ("default", "full"):
        raise InputError(
            f"{file} must say patch_size and vision_feature_select_strategy, so that the tokens "
            "of an image can be counted; save the processor again with a current transformers"
        )
    height, width = preprocessor(np.zeros((8, 8, 3), np.uint8)).shape[2:]
    count = (height // patch) * (width // patch)
    count += int(values.get("num_additional_image_tokens", 0))
    return count - 1 if strategy == "default" else count


class ConversationEncoder:
    """Encodes conversations for one model folder."""

    def __init__(self, folder: ModelFolder) -> None:
        self._tokenizer = folder.load_tokenizer()
        self._prompts = PromptEncoder(folder, self._tokenizer)
        self._image = folder.image_token_id
        self._eos = folder.eos_token_ids
        # Prompts repeat, thousands of times where they come from templates.
        self._first = functools.lru_cache(maxsize=1 << 14)(self._prompts.encode)
        self._next = functools.lru_cache(maxsize=1 << 14)(self._prompts.encode_next)

    def encode_all(
        self, conversations: Sequence[Sequence[tuple[str, str]]], given: Sequence[str] = ()
    ) -> list[Encoded]:
        """One ``Encoded`` for each list of ``(prompt, answer)``.

        Args:
            given: what of each one's first answer is not learnt, see ``Row``; none by default.

        Raises:
            RowError: an answer holds the end token or the image's, which would end or break it.
        """
        answers = [answer for exchanges in conversations for _, answer in exchanges]
        encoded = self._tokenizer.encode_batch(answers, add_special_tokens=False)
        encodings = iter(encoded)
        forbidden = {*self._eos, self._image}
        found = []
        for exchanges, begin in zip(conversations, given or [""] * len(conversations), strict=True):
            ids: list[int] = []
            learnt: list[bool] = []
            for turn, (prompt, answer) in enumerate(exchanges):
                asked = self._next(prompt, turn) if turn else self._first(prompt)
                encoding = next(encodings)
                said = [*encoding.ids, self._eos[0]]
                if forbidden.intersection(said[:-1]):
                    raise RowError(f"the answer holds a special token: {answer!r:.80}")
                ids += [*asked, *said]
                first = 0
                if begin and not turn:
                    first = sum(end <= len(begin) for _, end in encoding.offsets)
                learnt += [False] * (len(asked) + first) + [True] * (len(said) - first)
            found.append(Encoded(np.array(ids, np.int32), np.array(learnt, bool)))
        return found


@dataclass(frozen=True)
class EncodedRows:
    """The rows of a file, encoded; arrays are memory-mapped.

    Attributes:
        file: the rows file. root: what the image paths are relative to.
        ids, learnt: all conversations end to end.
        starts: ``(rows + 1,)`` int64, where in ``ids`` each begins.
        tasks: ``(rows,)`` int8, indices into ``TASKS``.
        offsets: ``(rows,)`` int64, where in the file each row's line begins.
        images: ``(rows,)`` int32, which of the file's different images a row is about.
        image_names: ``(image, mirror)`` of each different image.
    """

    file: Path
    root: Path
    ids: np.ndarray
    learnt: np.ndarray
    starts: np.ndarray
    tasks: np.ndarray
    offsets: np.ndarray
    images: np.ndarray
    image_names: list[tuple[str, bool]]

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def lengths(self) -> np.ndarray:
        """``(rows,)`` int64: ids a row, the image counted as one."""
        return np.diff(self.starts)

    def conversation(self, index: int) -> Encoded:
        """The conversation of a row."""
        span = slice(self.starts[index], self.starts[index + 1])
        return Encoded(self.ids[span], self.learnt[span])

    def row(self, index: int) -> Row:
        """A row, read from its file."""
        with self.file.open("rb") as stream:
            stream.seek(int(self.offsets[index]))
            return Row.from_dict(json.loads(stream.readline()))


def encode_rows(
    file: Path,
    root: Path,
    folder: ModelFolder,
    cache: Path,
    advance: Callable[[int, int | None], None] = lambda done, total: None,
    box_noise: int = 0,
    near_copies: bool = False,
) -> EncodedRows:
    """Encode a rows file, or map what an earlier call left in ``cache``.

    Args:
        box_noise: thousandths that boxes are moved by, see :func:`~.box_noise.move_boxes`.
        near_copies: see :mod:`.near_copies`.
        advance: called with the number of rows done; how many there are is not known.

    Raises:
        InputError: the file is missing, has no rows, or a row cannot be used.
    """
    if not file.is_file():
        raise InputError(
            f"no rows file {file}; make one with `spacesgg data instructions`, or set data.0.rows"
        )
    target = cache / f"rows-{_key(file, folder, box_noise, near_copies)}"
    if not target.is_dir():
        try:
            _write(file, ConversationEncoder(folder), target, advance, box_noise, near_copies)
        except RowError as error:
            raise InputError(str(error)) from error
    arrays = {
        name: np.load(target / f"{name}.npy", mmap_mode="r")
        for name in ("ids", "learnt", "starts", "tasks", "offsets", "images")
    }
    names = json.loads((target / "images.json").read_text(encoding="utf-8"))
    return EncodedRows(file, root, **arrays, image_names=[(name, side) for name, side in names])


def _key(file: Path, folder: ModelFolder, box_noise: int, near_copies: bool) -> str:
    """Changes with the rows and with everything that shapes their ids."""
    digest = hashlib.sha256(manifest_hash([file, folder.path / "tokenizer.json"]).encode())
    shaping = [
        _FORMAT,
        prompts.read_chat_template(folder.path),
        folder.special_tokens(),
        folder.eos_token_ids,
        folder.image_token_id,
        box_noise,
        near_copies,
    ]
    digest.update(json.dumps(shaping).encode())
    return digest.hexdigest()[:20]


def _write(
    file: Path,
    encoder: ConversationEncoder,
    target: Path,
    advance: Callable[[int, int | None], None],
    box_noise: int,
    near_copies: bool,
) -> None:
    ids, learnt, lengths, tasks, images = [], [], [], [], []
    numbers: dict[tuple[str, bool], int] = {}
    rows = read_rows(file)
    while block := list(itertools.islice(rows, _BLOCK)):
        conversations, given = [], []
        for row in block:
            exchanges, begin = list(row.exchanges), row.given
            if box_noise and not begin:  # a list of the model's own is as it writes it
                exchanges = move_boxes(exchanges, box_noise, row.id)
            if near_copies and row.task == "graph" and not begin:
                (prompt, answer), *later = exchanges
                answer, begin = add_near_copies(share_numbers(answer, row.id), row.id)
                exchanges = [(prompt, answer), *later]
            conversations.append(exchanges)
            given.append(begin)
        for encoded in encoder.encode_all(conversations, given):
            ids.append(encoded.ids)
            learnt.append(encoded.learnt)
            lengths.append(len(encoded.ids))
        tasks += [TASKS.index(row.task) for row in block]
        images += [numbers.setdefault((row.image, row.mirror), len(numbers)) for row in block]
        advance(len(tasks), None)
    if not tasks:
        raise InputError(f"{file} has no rows")
    temporary = target.with_name(target.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    arrays = {
        "ids": np.concatenate(ids),
        "learnt": np.concatenate(learnt),
        "starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "tasks": np.array(tasks, np.int8),
        "offsets": np.fromiter(_line_offsets(file), np.int64),
        "images": np.array(images, np.int32),
    }
    for name, array in arrays.items():
        np.save(temporary / f"{name}.npy", array)
    (temporary / "images.json").write_text(json.dumps(list(numbers)), encoding="utf-8")
    temporary.replace(target)


def _line_offsets(file: Path) -> Iterator[int]:
    """Where each line that is not blank begins, in bytes."""
    at = 0
    with file.open("rb") as stream:
        for line in stream:
            if line.strip():
                yield at
            at += len(line)
