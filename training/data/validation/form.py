"""What a text must not look like, whatever it says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from ..rows import Row
from .config import ValidationConfig
from .problems import Problem, ProblemKind
from .tokens import count_words

_TAGGED = re.compile(r"<box>[^<>]*</box>|<[^<>]*>")
_SHOWN = 80

_LEAKS = re.compile(
    r"""\bbounding[- ]?box(es)?\b|\bbox\s+coordinates?\b|\bcoordinates?\b|\bannotat(ion|ions|ed)\b
    |\b(the|this|that|given|provided|input)\s+(caption|captions|boxes|metadata|context|json)\b
    |\b(in|by|from|to|per)\s+(the\s+)?captions?\b
    |\bdepth[- ](map|maps|image|data|values?|interval|intervals|estimate|estimates|layers?\s+data)\b
    |\bcontext\s+type\b|\bcontext\s+\d
    |\b(point\s+cloud|ground\s+truth|scene\s+graph\s+(data|json)|triplets?|segmentation\s+masks?)\b
    |\bas\s+(described|mentioned|stated|noted|provided|given|listed|indicated)\b
    |\b(based\s+on|according\s+to|given)\s+(the\s+)?
     (description|text|information|data|details|layers?|list|facts?|input|passage|relations?)\b
    |\bthe\s+(provided|given|above|supplied)\s+
     (description|text|information|data|details|layers|list|facts|input|relations)\b
    |\bthe\s+(prompt|passage|description|facts?|input)\s+(says?|states?|mentions?|lists?|tells?)\b
    |\bpixels?\b|\bx_?m(in|ax)\b|\by_?m(in|ax)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_PLAIN_COORDINATES = re.compile(
    r"[\[(]\s*\d+(\.\d+)?\s*(,\s*\d+(\.\d+)?\s*){1,3}[\])]|\b\d{1,4}\s*,\s*\d{1,4}\s*,\s*\d{1,4}\b"
    r"|\b\d+\.\d{3,}\b"
)
_REFUSALS = re.compile(
    r"""\bas\s+an?\s+(AI|artificial|assistant|(large\s+)?language\s+model|helpful)\b
    |\b(I|we)\s+(cannot|can\s?not|can't|can’t|could\s+not|couldn't|am\s+unable|am\s+not\s+able
     |don't\s+have|do\s+not\s+have|apologi[sz]e|won't)\b
    |\bI(?:'m|’m|\s+am)\s+(sorry|unable|afraid|not\s+able|just\s+an?)\b|\bunable\s+to\s+(see|view|determine)
    |\b(let\s+me\s+know|feel\s+free\s+to|hope\s+(this|that)\s+helps|happy\s+to\s+help
     |is\s+there\s+anything\s+else|how\s+can\s+I\s+(help|assist)|glad\s+to\s+help)\b
    |\b(sure|certainly|of\s+course|absolutely)\s*[!,:.]\s*(here|I\b|let)
    |^\s*(here\s+is|here's|here\s+are)\s+(the|a|an|your|my)\s+
     ((re)?written|rephrased|description|answer|sentence|layered|question|conversation|revised|response)
    |\bcannot\s+be\s+determined\b|\bnot\s+enough\s+information\b|\bit\s+is\s+(not\s+)?(im)?possible\s+to\s+(say|tell)""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_PLACEHOLDERS = re.compile(
    r"""\{\w*\}|\{\{|\}\}|\[(?!\s*-?\d)[A-Za-z][\w ]*\]|<(?!/?(ref|pred|box)>|image>)[a-zA-Z][\w ]*>
    |\b(TODO|FIXME|XXX|lorem\s+ipsum|N/A|undefined|NaN|null)\b|%s\b|\$\{|<unk>|</?s>
    |\b(USER|ASSISTANT|SYSTEM|Human|Assistant|User)\s*:|^\s*(Q|A|Question|Answer)\s*\d*\s*[:.]
    |\#{2,}|```|\*\*|\bObject\s?[A-Z]\b(?!\w)""",
    re.VERBOSE | re.MULTILINE,
)
_BLANK = "[BLANK]"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ufeff\ufffd]")
_MOST_FOREIGN = 0.05
_REPEATS = 4
_GRAM = 4
_SHORT = 4
"""Words of an answer that may end in "on", as labels do."""
_ENDS = (".", "!", "?", '."', ".”", ">", ".)")
_UNFINISHED = frozenset(
    {"the", "a", "an", "and", "or", "of", "to", "is", "are", "with", "than", "in", "on", "at", "so"}
)
_OPEN_ENDED = frozenset(
    {"caption", "description", "qa", "conversation", "vsd-describe", "vsd-open"}
)
_TAG_ONLY = frozenset({"objects", "graph"})

TextCheck = Callable[[str], str | None]
"""What was seen that should not be, or None."""


def strip_tags(text: str) -> str:
    """The text without tags and boxes."""
    return _TAGGED.sub(" ", text)


def find_leak(text: str) -> str | None:
    """Words that give away what the text was made from, or coordinates outside of tags."""
    plain = strip_tags(text)
    hit = _LEAKS.search(plain) or _PLAIN_COORDINATES.search(plain)
    return hit.group().strip() if hit else None


def find_refusal(text: str) -> str | None:
    """A refusal, or what a chat model says around an answer."""
    hit = _REFUSALS.search(strip_tags(text))
    return hit.group().strip() if hit else None


def find_placeholder(text: str) -> str | None:
    """A slot that nothing was put in, mark-up or a speaker's name."""
    hit = _PLACEHOLDERS.search(re.sub(r"<box>[^<>]*</box>", " ", text).replace(_BLANK, " "))
    return hit.group().strip() if hit else None


def find_garbage(text: str) -> str | None:
    """Characters that do not print, or a text that is not in Latin letters."""
    hit = _UNPRINTABLE.search(text)
    if hit:
        return f"U+{ord(hit.group()):04X}"
    letters = [c for c in strip_tags(text) if c.isalpha()]
    foreign = [c for c in letters if ord(c) > 0x24F]
    if letters and len(foreign) > _MOST_FOREIGN * len(letters):
        return "".join(foreign[:10])
    return None


def find_repetition(text: str) -> str | None:
    """A sentence said twice, or four words that come again and again."""
    sentences = [
        s.strip().lower() for s in re.split(r"(?<=[.!?])\s+|\n", text) if len(s.split()) > 3
    ]
    for sentence, times in Counter(sentences).items():
        if times > 1:
            return sentence[:_SHOWN]
    words = re.findall(r"\w+", strip_tags(text).lower())
    if len(words) < _GRAM * _REPEATS:
        runs = [w for w in zip(words, words[1:], words[2:], strict=False) if len({*w}) == 1]
        return " ".join(runs[0]) if runs else None
    row = [words[i : i + _GRAM] for i in range(len(words) - _GRAM + 1)]
    for i in range(len(row) - _GRAM * (_REPEATS - 1)):
        if all(row[i] == row[i + k * _GRAM] for k in range(_REPEATS)):
            return " ".join(row[i])
    runs = [w for w in zip(words, words[1:], words[2:], strict=False) if len({*w}) == 1]
    return " ".join(runs[0]) if runs else None


_TEXT_CHECKS: tuple[tuple[ProblemKind, TextCheck], ...] = (
    (ProblemKind.SOURCE_LEAK, find_leak),
    (ProblemKind.REFUSAL, find_refusal),
    (ProblemKind.PLACEHOLDER, find_placeholder),
    (ProblemKind.GARBAGE, find_garbage),
    (ProblemKind.REPETITION, find_repetition),
)


def check_form(row: Row, config: ValidationConfig) -> Iterator[Problem]:
    """Leaks, filler, placeholders, garbage, repetition, length and unfinished ends."""
    for prompt, answer in row.exchanges:
        for kind, check in _TEXT_CHECKS:
            if row.task in _TAG_ONLY and kind is ProblemKind.REPETITION:
                continue
            for text in (answer, _free_prompt(prompt)):
                seen = check(text)
                if seen is not None:
                    yield Problem(kind, seen[:_SHOWN])
        yield from check_length(row.task, prompt, answer, config)
        yield from check_end(row.task, answer)


def _free_prompt(prompt: str) -> str:
    """A prompt without the explanation of the tags, which names boxes on purpose."""
    return "" if "[[x1, y1, x2, y2]]" in prompt or _BLANK in prompt else prompt


def check_length(
    task: str, prompt: str, answer: str, config: ValidationConfig
) -> Iterator[Problem]:
    """Words of question and answer against the limits."""
    for text, most in ((answer, config.most_words[task]), (prompt, config.most_question_words)):
        words = count_words(text)
        if words > most:
            yield Problem(ProblemKind.TOO_LONG, f"{words} words, at most {most}")


def check_end(task: str, answer: str) -> Iterator[Problem]:
    """Whether the answer ends where a sentence does; labels and graphs end otherwise."""
    end = answer.rstrip()
    finished = end.endswith("</box>") if task in _TAG_ONLY else end.endswith(_ENDS)
    if task in _OPEN_ENDED | _TAG_ONLY and not finished:
        yield Problem(ProblemKind.TRUNCATED, end[-_SHOWN:])
    elif task in _OPEN_ENDED:
        last = re.findall(r"[\w'>]+", end)[-1:]
        if last and last[0].lower() in _UNFINISHED and len(end.split()) > _SHORT:
            yield Problem(ProblemKind.TRUNCATED, end[-_SHOWN:])


def check_turns(turns: object) -> Iterator[Problem]:
    """Order, emptiness and image tokens of a raw conversation (``[{"from", "value"}, ...]``)."""
    if not isinstance(turns, list) or not all(
        isinstance(t, dict) and isinstance(t.get("from"), str) and isinstance(t.get("value"), str)
        for t in turns
    ):
        yield Problem(ProblemKind.MALFORMED, "conversations must be a list of from and value")
        return
    speakers = [t["from"] for t in turns]
    if not turns or speakers != ["human", "gpt"] * (len(turns) // 2):
        yield Problem(ProblemKind.TURN_ORDER, " ".join(speakers)[:_SHOWN] or "no turn")
    for number, turn in enumerate(turns, 1):
        if not turn["value"].replace("<image>", "").strip():
            yield Problem(ProblemKind.EMPTY_TURN, f"turn {number}")
    tokens = sum(t["value"].count("<image>") for t in turns)
    if tokens != 1 or not turns[0]["value"].startswith("<image>\n"):
        yield Problem(ProblemKind.IMAGE_TOKEN, f"{tokens} in the row; it starts with one")
