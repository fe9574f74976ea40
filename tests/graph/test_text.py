"""The tagged text: ASMv2's reading rules row by row, totality, round trip, linear cost."""
# ruff: noqa: E501 (a row of the table is one line)

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacesgg_ros.graph import (
    GraphError,
    TextGraph,
    TextIssue,
    TextIssueKind,
    TextObject,
    TextRelation,
    parse_graph,
    write_graph,
)
from spacesgg_ros.graph import text as text_module

K = TextIssueKind
A, B, C, D = "[10, 20, 30, 40]", "[50, 60, 70, 80]", "[1, 2, 3, 4]", "[5, 6, 7, 8]"
MUG, TRAY = f"<ref>mug</ref><box>[{A}]</box>", f"<ref>tray</ref><box>[{B}]</box>"


def on(*lists: str, predicate: str = "on") -> str:
    return f"<pred>{predicate}</pred>" + "".join(f"<box>[{boxes}]</box>" for boxes in lists)


def read(text: str):
    """Objects as (names, first coordinate), relations by first name, kinds of the issues."""
    graph = parse_graph(text)
    objects = [("/".join(o.names), o.box[0]) for o in graph.objects]
    relations = [
        (objects[r.subject][1], r.predicate, objects[r.object][1]) for r in graph.relations
    ]
    return objects, relations, [issue.kind for issue in graph.issues]


M, T = ("mug", 10), ("tray", 50)
ROWS = [
    ("empty text", "", [], [], []),
    ("plain prose", "A mug stands on a tray.", [], [], []),
    ("one object", MUG, [M], [], []),
    ("one relation", MUG + TRAY + on(A, B), [M, T], [(10, "on", 50)], []),
    ("prose between", f"A {MUG} is {on(A, B)} a {TRAY}.", [M, T], [(10, "on", 50)], []),
    ("several boxes", f"<ref>cup</ref><box>[{A}, {B}]</box>", [("cup", 10), ("cup", 50)], [], []),
    ("two lists", f"<ref>cup</ref><box>[{A}]</box><box>[{B}]</box>", [("cup", 10), ("cup", 50)], [], []),
    ("tight spacing", "<ref>mug</ref><box>[[10,20,30,40]]</box>", [M], [], []),
    ("broadcast object", MUG + TRAY + f"<ref>c</ref><box>[{C}]</box>" + on(f"{A}, {C}", B), [M, T, ("c", 1)], [(10, "on", 50), (1, "on", 50)], []),
    ("broadcast subject", MUG + TRAY + f"<ref>c</ref><box>[{C}]</box>" + on(B, f"{A}, {C}"), [M, T, ("c", 1)], [(50, "on", 10), (50, "on", 1)], []),
    ("equal lists", MUG + TRAY + on(f"{A}, {B}", f"{B}, {A}"), [M, T], [(10, "on", 50), (50, "on", 10)], []),
    ("unequal lists", MUG + TRAY + on(f"{A}, {B}", f"{B}, {A}, {A}"), [M, T], [(10, "on", 50), (50, "on", 10)], [K.UNEQUAL_BOX_LISTS]),
    ("odd count", MUG + on(A), [M], [], [K.ODD_BOX_COUNT]),
    ("odd leftover", MUG + TRAY + on(A, B, A), [M, T], [(10, "on", 50)], [K.ODD_BOX_COUNT]),
    ("further pairs", MUG + TRAY + on(A, B, B, A), [M, T], [(10, "on", 50), (50, "on", 10)], []),
    ("repeated predicate", MUG + TRAY + on(A, B) + on(B, A), [M, T], [(10, "on", 50), (50, "on", 10)], []),
    ("pair across", MUG + TRAY + on(A) + on(B), [M, T], [(10, "on", 50)], []),
    ("unknown box", MUG + on(A, C), [M, ("Unknown", 1)], [(10, "on", 1)], [K.UNKNOWN_BOX]),
    ("unknown once", MUG + on(A, C, C, A), [M, ("Unknown", 1)], [(10, "on", 1), (1, "on", 10)], [K.UNKNOWN_BOX]),
    ("named later", on(A, B) + MUG + TRAY, [M, T], [(10, "on", 50)], []),
    ("several names", MUG + f"<ref>cup</ref><box>[{A}]</box>", [("mug/cup", 10)], [], []),
    ("same name", MUG + MUG, [M], [], []),
    ("nameless box", f"<box>[{A}]</box>", [("Unknown", 10)], [], [K.BOX_WITHOUT_NAME]),
    ("empty name", f"<ref> </ref><box>[{A}]</box>", [("Unknown", 10)], [], [K.EMPTY_NAME]),
    ("empty predicate", MUG + TRAY + on(A, B, predicate=""), [M, T], [], [K.EMPTY_NAME]),
    ("padded name", f"<ref> mug </ref><box>[{A}]</box>", [M], [], []),
    ("lonely ref", "<ref>mug</ref> " + TRAY, [T], [], [K.REF_WITHOUT_BOX]),
    ("lonely pred", MUG + "<pred>on</pred>", [M], [], [K.PRED_WITHOUT_BOX]),
    ("broken json", "<ref>mug</ref><box>[[10, 20, 30</box>", [], [], [K.BROKEN_BOX]),
    ("broken skipped", MUG + TRAY + "<pred>on</pred><box>oops</box>" + f"<box>[{A}]</box><box>[{B}]</box>", [M, T], [(10, "on", 50)], [K.BROKEN_BOX]),
    ("flat list", "<ref>mug</ref><box>[10, 20, 30, 40]</box>", [], [], [K.BROKEN_BOX]),
    ("three numbers", "<ref>mug</ref><box>[[10, 20, 30]]</box>", [], [], [K.BROKEN_BOX]),
    ("wrong keeps place", MUG + TRAY + on(f"[1], {A}", f"{A}, {B}"), [M, T], [(10, "on", 50)], [K.BROKEN_BOX]),
    ("json string", '<ref>mug</ref><box>["a"]</box>', [], [], [K.BROKEN_BOX]),
    ("json object", '<ref>mug</ref><box>{"a": 1}</box>', [], [], [K.BROKEN_BOX]),
    ("json bool", "<ref>mug</ref><box>[[true, 1, 2, 3]]</box>", [], [], [K.BROKEN_BOX]),
    ("json number", "<ref>mug</ref><box>7</box>", [], [], [K.BROKEN_BOX]),
    ("empty list", "<ref>mug</ref><box>[]</box>", [], [], []),
    ("not finite", "<ref>mug</ref><box>[[NaN, 1, 2, Infinity]]</box>", [], [], [K.BROKEN_BOX]),
    ("float numbers", "<ref>mug</ref><box>[[10.2, 19.9, 30.0, 4e1]]</box>", [M], [], []),
    ("out of range", "<ref>mug</ref><box>[[10, -3, 1000, 40]]</box>", [M], [], [K.BOX_OUT_OF_RANGE]),
    ("huge number", f"<ref>mug</ref><box>[[10, 20, 30, {'9' * 300}]]</box>", [M], [], [K.BOX_OUT_OF_RANGE]),
    ("endless number", f"<ref>mug</ref><box>[[10, 20, 30, {'9' * 9000}]]</box>", [], [], [K.BROKEN_BOX]),
    ("inverted box", "<ref>mug</ref><box>[[10, 20, 5, 40]]</box>", [M], [], [K.EMPTY_BOX]),
    ("deep nesting", f"<ref>mug</ref><box>{'[' * 9999}</box>", [], [], [K.BROKEN_BOX]),
    ("unknown tag", MUG + TRAY + f"<rel>by</rel><box>[{A}]</box><box>[{B}]</box>", [M, T], [(10, "by", 50)], [K.UNKNOWN_TAG]),
    ("capital tag", f"<REF>mug</REF><box>[{A}]</box>", [], [], [K.UNKNOWN_TAG, K.ODD_BOX_COUNT]),
    ("wrong closer", f"<ref>mug</pred><box>[{A}]</box>", [M], [], [K.UNCLOSED_TAG]),
    ("cut off", MUG + "<ref>tra", [M], [], [K.UNCLOSED_TAG]),
    ("cut box", MUG + "<ref>tray</ref><box>[[50, 6", [M], [], [K.REF_WITHOUT_BOX, K.UNCLOSED_TAG]),
    ("line break", "<ref>a\nb</ref>" + MUG, [], [], [K.UNCLOSED_TAG, K.EMPTY_NAME, K.UNKNOWN_TAG, K.PRED_WITHOUT_BOX] * 2),
    ("next line", "<ref>a\n" + MUG, [M], [], [K.UNCLOSED_TAG]),
    ("null bytes", "\0" + MUG, [M], [], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "objects", "relations", "issues"),
    [pytest.param(*row[1:], id=row[0]) for row in ROWS],
)
def test_reading_rules(text, objects, relations, issues):
    got_objects, got_relations, got_issues = read(text)
    assert (got_objects, got_relations) == (objects, relations)
    assert sorted(k.name for k in got_issues) == sorted(k.name for k in issues)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        pytest.param(f"Layer 1: {MUG}\nLayer 2: {TRAY}", [1, 2], id="two layers"),
        pytest.param(f"layer 3 : {MUG}, {TRAY}", [3, 3], id="loose spelling"),
        pytest.param(f"{MUG} Layer 1: {TRAY}", [0, 1], id="before first"),
        pytest.param(f"Layer 1: {MUG}\nLayer 2: {MUG}", [1], id="first wins"),
        pytest.param(f"<ref>Layer 4: x</ref><box>[{A}]</box>", [0], id="inside tag"),
        pytest.param(f"Player 4: {MUG}", [0], id="part word"),
    ],
)
def test_layer_headings(text, layers):
    assert [o.layer for o in parse_graph(text).objects] == layers


def test_an_issue_says_where():
    issue = parse_graph(MUG + "<ref>tra").issues[0]
    assert (issue.offset, issue.detail) == (len(MUG), "<ref>tra")


def test_canonical_text():
    graph = TextGraph(
        (TextObject(("mug",), (10, 20, 30, 40)), TextObject(("tray",), (50, 60, 70, 80))),
        (TextRelation(0, "on", 1),),
    )
    assert write_graph(graph) == f"{MUG}\n{TRAY}\n" + on(A, B)


def test_canonical_text_with_layers():
    graph = parse_graph(f"Layer 1: A {MUG}.\nLayer 2: a {TRAY} and <ref>c</ref><box>[{C}]</box>.")
    assert write_graph(graph) == (f"Layer 1: {MUG}\nLayer 2: {TRAY}, <ref>c</ref><box>[{C}]</box>")


def test_names_cannot_break_the_tags():
    graph = TextGraph((TextObject(("a</ref>\n<box>",), (1, 2, 3, 4)),))
    assert parse_graph(write_graph(graph)).objects[0].label == "a /ref box"


def test_a_relation_to_nowhere_is_refused():
    with pytest.raises(GraphError, match="points at object 3"):
        write_graph(TextGraph((), (TextRelation(3, "on", 0),)))


NAME = (
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="<>"), min_size=1)
    .map(lambda name: " ".join(name.split()))
    .filter(bool)
)
COORDINATE = st.integers(0, 999)


@st.composite
def normal_graphs(draw) -> TextGraph:
    """Graphs in the normal form that write_graph's docstring defines."""
    boxes = draw(st.lists(st.tuples(*[COORDINATE] * 4), max_size=6, unique=True))
    layers = sorted(draw(st.lists(st.integers(0, 999), min_size=len(boxes), max_size=len(boxes))))
    objects = tuple(
        TextObject(tuple(draw(st.lists(NAME, min_size=1, max_size=2, unique=True))), box, layer)
        for box, layer in zip(boxes, layers, strict=True)
    )
    index = st.integers(0, max(len(boxes) - 1, 0))
    relations = st.lists(st.builds(TextRelation, index, NAME, index), max_size=6)
    return TextGraph(objects, tuple(draw(relations)) if boxes else ())


@given(normal_graphs())
def test_round_trip(graph):
    again = parse_graph(write_graph(graph))
    assert (again.objects, again.relations) == (graph.objects, graph.relations)


TAGS = ["<ref>", "</ref>", "<box>", "</box>", "<pred>", "</pred>", "<", ">", "<>", "[[", "]]", "["]
WORDS = ["mug", "on", "12", "-7", ", ", "\n", "1e999", "NaN", "Layer 2:", A, f"[{A}]", MUG]
PIECES = st.sampled_from(TAGS) | st.sampled_from(WORDS)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
@settings(max_examples=300)
def test_any_text_is_read(text):
    graph = parse_graph(text)
    for obj in graph.objects:
        assert obj.names and all(obj.names)
        assert all(isinstance(v, int) and 0 <= v <= 999 for v in obj.box)
    for relation in graph.relations:
        assert relation.predicate
        assert max(relation.subject, relation.object) < len(graph.objects)
    assert all(0 <= issue.offset <= len(text) for issue in graph.issues)
    write_graph(graph)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_the_scan_finds_what_asmv2s_pattern_finds(text):
    hits = [hit for hit in text_module._scan(text) if not isinstance(hit, TextIssue)]
    found = [hit.opener + hit.content + hit.closer for hit in hits]
    assert found == re.findall(r"<.*?>.*?<.*?>", text)
    assert all(text[h.offset : h.end] == f for h, f in zip(hits, found, strict=True))


@given(normal_graphs(), st.data())
def test_damaged_text_is_read(graph, data):
    text = write_graph(graph)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 9))
    parse_graph(text[:at] + data.draw(st.text(max_size=5)) + text[at + cut :])


HOSTILE = {
    "open tags": "<",
    "empty tags": "<>",
    "close marks": ">",
    "brackets": "[",
    "refs": "<ref>",
    "boxes": f"<box>[{A}]</box>",
    "open box": "<box>[[",
    "layers": "Layer 1:",
    "lines": "<\n",
    "relations": on(A, B),
    "digits": "9",
}


class CountingText(str):
    """A text that counts the characters its searches walk over."""

    walked = 0

    def split(self, *args):
        return [CountingText(part) for part in super().split(*args)]

    def find(self, what, start=0):
        at = super().find(what, start)
        CountingText.walked += (len(self) if at < 0 else at) - start + 1
        return at


@pytest.mark.parametrize("seed", HOSTILE.values(), ids=HOSTILE.keys())
def test_scanning_is_linear(seed):
    text = CountingText(seed * (100_000 // len(seed)))
    CountingText.walked = 0
    for _ in text_module._scan(text):
        pass
    assert CountingText.walked <= 4 * len(text) + 4


@pytest.mark.parametrize("seed", HOSTILE.values(), ids=HOSTILE.keys())
def test_results_grow_linearly(seed):
    small, large = (parse_graph("<box>" + seed * n) for n in (500, 2000))
    assert len(large.issues) <= 4 * len(small.issues) + 8
    assert len(large.relations) <= 4 * len(small.relations) + 8


def test_a_long_mixture_is_read():
    rng = random.Random(0)
    text = "".join(rng.choice([*HOSTILE.values(), MUG, "]]", "</box>"]) for _ in range(20_000))
    assert parse_graph(text).issues
