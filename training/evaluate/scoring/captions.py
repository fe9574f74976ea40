"""Sentences against references: BLEU-4, METEOR, ROUGE-L, CIDEr and, if asked, SPICE.

BLEU is sacrebleu's (corpus, no smoothing, closest reference length) on tokens that are already
cut; the others are pycocoevalcap's, the scripts of COCO captions. CIDEr there is CIDEr-D, its
document frequencies those of the references scored; on a handful of pictures it means little.
All are on the scale 0..1 except CIDEr (0..10).

Java: PTBTokenizer, METEOR and SPICE are Java programs. Without ``java`` words are cut by a plain
rule (lower case, punctuation dropped) and METEOR is reported as not measured.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacesgg_ros.extras import require

from .outcomes import BLEU, RATIO, Outcomes, ScoreError

EXTRA = "text-metrics"
BLEU_4, METEOR, ROUGE_L, CIDER, SPICE = "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE"
PTB, PLAIN = "ptb", "plain"
_NO_JAVA = "it is a Java program and no `java` was found"
_WORD = re.compile(r"[a-z0-9]+(?:[-'’][a-z0-9]+)*")

Words = dict[str, list[str]]
"""Sentences of each item, words separated by one space."""


@dataclass(frozen=True)
class CaptionScores:
    """Scores of sentences.

    Attributes:
        outcomes: by metric; METEOR, ROUGE-L, CIDEr and SPICE are means of sentence scores.
        pooled: numbers that the COCO scripts pool otherwise: METEOR over all sentences at once.
        missing: metrics that were not measured, with why.
        tokenizer: "ptb" or "plain".
    """

    outcomes: Mapping[str, Outcomes]
    pooled: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    tokenizer: str = PLAIN


class CaptionScorer:
    """Scores sentences; keeps what Java programs it started and the sentences they cut.

    Args:
        tokenizer: "ptb" (Java), "plain", or "auto": ptb where there is Java.
        spice: also SPICE, which fetches its parser when first used and takes minutes.

    Raises:
        ScoreError: an unknown tokenizer, or ptb without Java.
    """

    def __init__(self, tokenizer: str = "auto", spice: bool = False) -> None:
        if tokenizer not in ("auto", PTB, PLAIN):
            raise ScoreError(f"tokenizers are auto, {PTB} and {PLAIN}; got {tokenizer!r}")
        if tokenizer == PTB and find_java() is None:
            raise ScoreError(f"tokenizer {PTB}: {_NO_JAVA}; take {PLAIN}, or install Java")
        self._wanted = tokenizer
        self._spice = spice
        self._tokenizer = PLAIN if tokenizer == PLAIN or find_java() is None else PTB
        self._problem = _NO_JAVA if tokenizer == "auto" and self._tokenizer == PLAIN else ""
        self._cut: dict[str, str] = {}
        self._meteor: Any = None

    def prepare(self, texts: Iterable[str]) -> None:
        """Cut all these sentences into words at once, as starting Java takes seconds."""
        new = sorted({text for text in texts if text not in self._cut})
        if self._tokenizer == PTB:
            try:
                self._cut |= dict(zip(new, _cut_ptb(new), strict=True))
                return
            except (OSError, ValueError) as error:  # it writes a file next to itself
                if self._wanted == PTB or self._cut:
                    raise ScoreError(f"the PTB tokenizer failed: {error}; take {PLAIN}") from error
                self._tokenizer, self._problem = PLAIN, f"it failed: {error}"
        self._cut |= {text: cut_plainly(text) for text in new}

    def score(
        self, said: Mapping[str, str], references: Mapping[str, Sequence[str]]
    ) -> CaptionScores:
        """Compare one sentence an item with one or more references of it.

        Args:
            said: by item; "" counts as a sentence that says nothing.
            references: by the same items, each at least one.

        Raises:
            ScoreError: other items, or none, or an item without references.
            MissingExtraError: the extra ``text-metrics`` is not installed.
        """
        if said.keys() != references.keys() or not said:
            raise ScoreError("sentences and references must be of the same items, at least one")
        full = {item: [t for t in texts if t.strip()] for item, texts in references.items()}
        if empty := [item for item, texts in full.items() if not texts]:
            raise ScoreError(f"item {empty[0]!r} has no reference")
        self.prepare([*said.values(), *(text for texts in full.values() for text in texts)])
        res = {item: [self._cut[text]] for item, text in said.items()}
        gts = {item: [self._cut[text] for text in full[item]] for item in said}
        missing = {"PTB tokenizer": self._problem} if self._problem else {}
        outcomes = {BLEU_4: _bleu(res, gts)}
        pooled: dict[str, float] = {}
        if find_java() is None:
            missing[METEOR] = _NO_JAVA
        else:
            try:
                outcomes[METEOR], pooled[METEOR] = self._score_meteor(res, gts)
            except (OSError, ValueError) as error:
                self._meteor, missing[METEOR] = None, f"its Java program failed: {error}"
        outcomes[ROUGE_L] = _rouge(res, gts)
        outcomes[CIDER] = _cider(res, gts)
        if self._spice:
            try:
                outcomes[SPICE] = _spice(res, gts)
            except Exception as error:  # its downloader and its Java program fail in many ways
                missing[SPICE] = f"{type(error).__name__}: {error}"
        return CaptionScores(outcomes, pooled, missing, self._tokenizer)

    def _score_meteor(self, res: Words, gts: Words) -> tuple[Outcomes, float]:
        full = [item for item in res if res[item][0]]
        pooled, scores = 0.0, []
        if full:
            if self._meteor is None:
                self._meteor = require("pycocoevalcap.meteor.meteor", EXTRA).Meteor()
            clean = {i: [text.replace("|", " ") for text in gts[i]] for i in full}
            pooled, scores = self._meteor.compute_score(clean, {i: res[i] for i in full})
        by_item = dict(zip(full, scores, strict=True))
        means = _means({item: float(by_item.get(item, 0.0)) for item in res})
        return means, round(float(pooled), 4)


def find_java() -> str | None:
    """Where ``java`` is, or None."""
    return shutil.which("java")


def cut_plainly(text: str) -> str:
    """Lower-case words of a sentence separated by one space, punctuation dropped."""
    return " ".join(_WORD.findall(text.lower()))


def _cut_ptb(texts: Sequence[str]) -> list[str]:
    """Through pycocoevalcap's wrapper; a sentence is one line to it, so none may be empty."""
    module = require("pycocoevalcap.tokenizer.ptbtokenizer", EXTRA)
    lines = {str(k): " ".join(text.split()) for k, text in enumerate(texts)}
    full = {k: [{"caption": line}] for k, line in lines.items() if line}
    cut = module.PTBTokenizer().tokenize(full) if full else {}
    if cut.keys() != full.keys():
        raise ValueError(f"{len(full)} sentences went in, {len(cut)} came out")
    return [cut[k][0] if k in cut else "" for k in lines]


def _bleu(res: Words, gts: Words) -> Outcomes:
    metric = require("sacrebleu.metrics", EXTRA).BLEU(tokenize="none", smooth_method="none")
    items = {}
    for item, (said,) in res.items():
        score = metric.corpus_score([said], [[text] for text in gts[item]])
        items[item] = [*score.counts, *score.totals, score.sys_len, score.ref_len]
    return Outcomes(BLEU, items)


def _rouge(res: Words, gts: Words) -> Outcomes:
    rouge = require("pycocoevalcap.rouge.rouge", EXTRA).Rouge()
    full = {i: rouge.calc_score(res[i], gts[i]) for i in res if res[i][0]}
    return _means({item: float(full.get(item, 0.0)) for item in res})


def _cider(res: Words, gts: Words) -> Outcomes:
    cider = require("pycocoevalcap.cider.cider", EXTRA).Cider()
    _, scores = cider.compute_score(gts, res)
    return _means(dict(zip(gts, map(float, scores), strict=True)))


def _spice(res: Words, gts: Words) -> Outcomes:
    with contextlib.redirect_stdout(io.StringIO()):
        spice = require("pycocoevalcap.spice.spice", EXTRA).Spice()
        _, scores = spice.compute_score(gts, res)
    f1 = [float(score["All"]["f"]) for score in scores]
    return _means(dict(zip(sorted(gts), f1, strict=True)))


def _means(scores: Mapping[str, float]) -> Outcomes:
    items: dict[str, Any] = {item: [round(score, 6), 1] for item, score in scores.items()}
    return Outcomes(RATIO, items)
