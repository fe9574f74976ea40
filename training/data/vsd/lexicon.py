"""Words that a sentence about two things is read by.

Relations are those of ``graph.predicates.resolve_predicate``; here is only what whole sentences
need beside it: verbs, comparisons, places without "of", and what makes a statement weaker.
"""

from __future__ import annotations

import re


def split_bank(text: str) -> frozenset[str]:
    """The words of a bank that is written as one text."""
    return frozenset(text.split())


NOT_ALONE = frozenset(
    {"left", "right", "next", "down", "besides", "under the", "front of", "to the left",
     "to the right", "in front", "nearby"}
)  # fmt: skip
"""Synonyms of labels that in a sentence are often something else ("the left man")."""

MORE_PREPOSITIONS: dict[str, str] = {
    "to the rear of": "behind",
    "at the rear of": "behind",
    "in the rear of": "behind",
    "on the left hand side of": "to the left of",
    "to the left hand side of": "to the left of",
    "on the right hand side of": "to the right of",
    "to the right hand side of": "to the right of",
    "on the lower side of": "under",
    "next door to": "next to",
    "by the side of": "next to",
    "right by": "next to",
    "in the interior of": "in",
    "on the inside of": "in",
    "on the surface of": "on",
    "up on": "on",
    "up above": "above",
    "down below": "under",
}

PASSIVES: dict[str, tuple[str, ...]] = {
    "(?:supported|carried|held up|borne) by": ("on",),
    "(?:contained|housed|enclosed|encased|stored) (?:by|in|within|inside)": ("in",),
    "(?:flanked|accompanied|adjoined) by": ("next to",),
}
"""``S ... O``: S is one of the labels of O."""

ACTIVES: dict[str, tuple[str, ...]] = {
    "(?:supports?|supporting|carry|carries|carrying|holds? up|holding up)": ("on",),
    "topped (?:by|with)": ("on",),
    "(?:contains?|containing|encloses?|enclosing|encases?)": ("in",),
    "(?:holds?|holding)": ("in", "on"),
    "(?:adjoins?|adjoining|flanks|flanking)": ("next to",),
}
"""``O ... S``: S is one of the labels of O."""

_EYE = "(?:the )?(?:camera|viewer|observer|lens|photographer|front)"
_FROM_EYE = f"(?: (?:to|from) (?:{_EYE}|us|you|here))?"
COMPARISONS: dict[str, str] = {
    f"(?:nearer|closer|further forward|farther forward){_FROM_EYE} than": "in front of",
    f"(?:farther|further)(?: away| back| off)?{_FROM_EYE} than": "behind",
    "(?:higher|further up|farther up)(?: up)?(?: in the picture)? than": "above",
    "(?:lower|further down|farther down)(?: down)?(?: in the picture)? than": "under",
    "(?:farther|further|more)(?: over)?(?: to the)? left than": "to the left of",
    "(?:farther|further|more)(?: over)?(?: to the)? right than": "to the right of",
}

PLACES: dict[str, str] = {
    "(?:on|at|to) (?:the|its|their) left(?: hand)?(?: side)?": "to the left of",
    "(?:on|at|to) (?:the|its|their) right(?: hand)?(?: side)?": "to the right of",
    "in front|at the front": "in front of",
    "in back|at the back|in the rear|at the rear": "behind",
    "on top|on the top": "on",
    "alongside|beside|close by|nearby|next door": "next to",
    "behind": "behind",
    "above|overhead|over": "above",
    "under|underneath|below|beneath": "under",
    "inside|within": "in",
    "on": "on",
    "in": "in",
}
"""Where the other thing is left to the sentence: "the table has a mug on top"."""

ITS_PLACES: dict[str, str] = {
    "(?:on|at|to) (?:its|their|his|her) left(?: hand)?(?: side)?": "to the left of",
    "(?:on|at|to) (?:its|their|his|her) right(?: hand)?(?: side)?": "to the right of",
}

MUTUAL = (
    r"(?:next to|close to|near|beside|alongside|adjacent to|by) (?:each other|one another)"
    r"|side by side|close together|near together|right together|together side by side"
)

GAP = r"(?:gap|space|room|distance) (?:is |lies |left )?between"

OTHER_RELATIONS = (
    "touching|touches|touch|facing away from|facing|faces|against|across from|across|opposite to|"
    "opposite|around|along|among|amongst|between|through|off|outside of|outside|towards|toward|"
    "past|away from|far from|far away from|attached to|connected to|at|from|onto|into|out of|"
    "surrounding|surrounds|surrounded by|covering|covers|covered by|covered with|blocking|blocks|"
    "hiding|hides|hidden by|leaning on|leans on|leaning against|leans against|hanging from|"
    "hangs from|part of|made of|full of|filled with|followed by|follows|following|joined to|"
    "overlapping|overlaps|overlooking|overlooks|eating|eats|riding|rides|wearing|wears|chasing|"
    "chases|pushing|pulling|watching|watches|looking at|looks at|in the middle of|"
    "in the cent(?:er|re) of|at the edge of|on the edge of|in the corner of|at the foot of|"
    "at the end of"
)
"""Said of two things, they are none of the nine."""

NEGATIONS = split_bank(
    "not no never neither nor none nothing nowhere without hardly scarcely barely cannot except "
    "nobody unlike lacks lacking absent false untrue fails failing instead rather opposed"
)

HEDGES = split_bank(
    "maybe perhaps possibly probably likely unlikely seems seem seemingly seeming appears appear "
    "apparently presumably supposedly might may could would should must if whether or either "
    "almost nearly partly partially half somewhat roughly kind sort guess guessing think thinks "
    "believe believes suppose assume looks like unclear uncertain unsure will used once formerly "
    "previously soon going about potentially arguably practically virtually usually sometimes "
    "often occasionally supposed"
)
"""Words that make a plain statement less than one. "kind of" and "used to" count by one word."""

DEGREES = split_bank("far close well high low way")
"""Before a relation they say how far, which the label does not."""

NUMBERS = split_bank(
    "two three four five six seven eight nine ten several many multiple few couple pair pairs "
    "both dozen dozens group groups numerous various all every each"
)

VIEWS = re.compile(
    r"\b(?:(?:seen|viewed|looked at|looking|view|watched|filmed) from (?!(?:the |our |this )?"
    r"(?:camera|here|front|viewer|us|picture|image))|from (?:the )?(?:behind|back|rear|left|right|"
    r"above|below|other|opposite|side|top|bottom)|mirror(?:ed)?|reflection|upside|flipped)\b"
)
"""Another point of view than the camera's."""

IDIOMS = re.compile(
    r"\b(?:in relation to|relative to|with respect to|compared to|compared with|"
    r"(?:in|of|within|on) (?:the|this|our) (?:picture|image|scene|photo|photograph|shot|frame|"
    r"view)|of the two(?: things| objects)?|in (?:view|sight|place|question|this case)|on display|"
    r"in (?:space|position|terms of position))\b"
)
"""Phrases that hold a preposition and relate nothing."""

DETERMINERS = split_bank(
    "a an the some another this that these those his her its their our your more other"
)

POSTURES = split_bank(
    "is are was were be being been sit sits sitting stand stands standing lie lies lying laying "
    "lay lays rest rests resting placed located positioned situated laid put set hang hangs "
    "hanging parked perched perches seated stays stay staying remains remain found seen spotted "
    "shown visible leaning mounted stationed kept waits waiting poised stacked floating floats "
    "hovers hovering flying flies resides residing exists"
)

GLUE = (
    DETERMINERS
    | POSTURES
    | split_bank(
        "there here where what which who whom whose it they them him he she one ones and with "
        "while of to can you we us i see sees find finds notice notices spot spots show shows "
        "look looking has have having had picture image scene photo photograph camera viewer "
        "relation position positioned directly just right immediately also still so only now "
        "then as for by things thing objects object two than both side sides up out again "
        "currently clearly plainly simply itself themselves do does let observe locate "
        "positions place takes occupies occupy spot area space gap small little short that's "
        "turn straight"
    )
)
"""Words that say nothing of their own."""

ADJECTIVES = split_bank(
    "red green blue yellow black white brown grey gray orange pink purple silver golden gold tan "
    "beige dark light bright pale big large small little tiny huge tall short long wide narrow "
    "thin thick old young new round square wooden metal plastic glass leather stone brick ceramic "
    "paper open closed empty full clean dirty wet dry colorful colourful striped"
)

IRREGULAR = {
    "people": "person", "persons": "person", "men": "man", "women": "woman",
    "children": "child", "feet": "foot", "teeth": "tooth", "geese": "goose", "mice": "mouse",
    "knives": "knife", "leaves": "leaf", "shelves": "shelf", "loaves": "loaf", "wolves": "wolf",
    "scarves": "scarf", "halves": "half", "calves": "calf", "oxen": "ox", "buses": "bus",
}  # fmt: skip


def singular(word: str) -> str:
    """A key that is the same for a noun and its plural; not always a word."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith(("ches", "shes", "sses", "xes", "zes", "toes")):
        return word[:-2]
    if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
