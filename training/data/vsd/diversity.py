"""How varied a set of sentences is: distinct-n and self-BLEU.

distinct-n is the share of different n-grams among all (Li et al. 2016); self-BLEU the mean BLEU-4
of each sentence against all others (Zhu et al. 2018), so low is varied. Both are exact over the
whole set and take time linear in it.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table

MAX_ORDER = 4
_TOKEN = re.compile(r"\w+|[^\w\s]")


class Diversity(NamedTuple):
    """Measures of a set of sentences; shares of 1, self-BLEU in percent.

    Attributes:
        sentences: how many.
        distinct_sentences: share of different ones.
    """

    sentences: int
    distinct_sentences: float
    distinct_1: float
    distinct_2: float
    distinct_3: float
    self_bleu: float


def measure_diversity(sentences: Sequence[str]) -> Diversity:
    """All measures of a set; zeros for an empty one."""
    tokens = [split_tokens(sentence) for sentence in sentences]
    return Diversity(
        len(sentences),
        len(set(sentences)) / len(sentences) if sentences else 0.0,
        measure_distinct(tokens, 1),
        measure_distinct(tokens, 2),
        measure_distinct(tokens, 3),
        measure_self_bleu(tokens),
    )


def split_tokens(sentence: str) -> list[str]:
    """Lower-case words and punctuation marks."""
    return _TOKEN.findall(sentence.lower())


def measure_distinct(sentences: Sequence[Sequence[str]], n: int) -> float:
    """Different n-grams over all n-grams of a set; 0 where there are none."""
    grams = Counter(gram for tokens in sentences for gram in _ngrams(tokens, n))
    return len(grams) / grams.total() if grams else 0.0


def measure_self_bleu(sentences: Sequence[Sequence[str]]) -> float:
    """Mean sentence BLEU-4 of each against all the others, in percent; 0 for fewer than two.

    As sacreBLEU's ``sentence_bleu`` does: effective order, exponential smoothing, brevity against
    the reference nearest in length. A clipped count needs only the largest and second largest
    count of an n-gram in any sentence, so no pair of sentences is ever compared.
    """
    if len(sentences) < 2:
        return 0.0
    lengths = sorted(len(tokens) for tokens in sentences)
    tops: list[dict[tuple[str, ...], tuple[int, int]]] = [{} for _ in range(MAX_ORDER)]
    counts = [[Counter(_ngrams(t, n)) for n in range(1, MAX_ORDER + 1)] for t in sentences]
    for orders in counts:
        for top, grams in zip(tops, orders, strict=True):
            for gram, count in grams.items():
                first, second = top.get(gram, (0, 0))
                top[gram] = (count, first) if count > first else (first, max(second, count))
    scores = [
        _score(len(tokens), orders, tops, lengths)
        for tokens, orders in zip(sentences, counts, strict=True)
    ]
    return sum(scores) / len(scores)


def _score(
    length: int,
    orders: Sequence[Counter[tuple[str, ...]]],
    tops: Sequence[Mapping[tuple[str, ...], tuple[int, int]]],
    lengths: Sequence[int],
) -> float:
    logs: list[float] = []
    smooth = 1.0
    matched = 0
    for grams, top in zip(orders, tops, strict=True):
        total = grams.total()
        if not total:
            break
        correct = 0
        for gram, count in grams.items():
            first, second = top[gram]
            # Of the others, not of itself.
            correct += min(count, second if count == first else first)
        matched += correct
        if correct == 0:
            smooth *= 2
        logs.append(math.log(correct / total if correct else 1 / (smooth * total)))
    if not matched:
        return 0.0
    nearest = _nearest_other(length, lengths)
    brevity = 1.0 if length >= nearest else math.exp(1 - nearest / length)
    return 100 * brevity * math.exp(sum(logs) / len(logs))


def _nearest_other(length: int, lengths: Sequence[int]) -> int:
    """The length nearest to this one among the other sentences; of two the shorter."""
    at = bisect_left(lengths, length)
    others = [*lengths[max(at - 1, 0) : at], *lengths[at + 1 : at + 2]]
    return min(others, key=lambda other: (abs(other - length), other))


def _ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def diversity_table(measured: Mapping[str, Diversity]) -> Table:
    """A line a set."""
    table = Table("set", title="diversity")
    for name in ("sentences", "distinct", "distinct-1", "distinct-2", "distinct-3", "self-BLEU"):
        table.add_column(name, justify="right")
    for name, d in measured.items():
        shares = (f"{share:.3f}" for share in d[1:5])
        table.add_row(name, f"{d.sentences:,}", *shares, f"{d.self_bleu:.1f}")
    return table
