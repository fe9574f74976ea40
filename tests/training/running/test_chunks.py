import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.running.chunks import JsonlSource, read_chunk
from spacesgg_ros.training.data.running.pipeline import RunError

RECORD = st.integers(0, 30).map(lambda n: json.dumps({"id": f"r{n}", "text": "é" * n}))
LINE = st.one_of(RECORD, st.sampled_from(["", "  ", "not JSON", "[1]", "{}", '{"id": 3}']))


def read_all(source, size, limit=None):
    plan = source.plan(size, limit)
    batches = [read_chunk(source, chunk) for chunk in plan.chunks]
    good = [record for batch in batches for record in batch.records]
    return good, [entry for batch in batches for entry in batch.rejected], plan


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, max_size=30), st.integers(1, 12), st.sampled_from(["\n", "\r\n"]))
def test_every_line_is_read_once_however_it_is_cut(tmp_path_factory, lines, size, end):
    path = tmp_path_factory.mktemp("set") / "in.jsonl"
    path.write_bytes(end.join(lines).encode())
    good, bad, plan = read_all(JsonlSource(path), size)
    expected = list(dict.fromkeys(line for line in lines if line.startswith('{"id": "')))
    assert good == [json.loads(line) for line in expected]
    assert len(good) + len(bad) == plan.records == sum(bool(line.strip()) for line in lines)
    assert all(chunk.count <= size for chunk in plan.chunks)
    assert [chunk.number for chunk in plan.chunks] == list(range(len(plan.chunks)))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "a"}\n\nnot JSON\n{"id": "b"}\n{"id": "a"}\n')
    return JsonlSource(path)


@pytest.mark.parametrize("size", [1, 2, 10])
def test_an_id_that_came_before_is_rejected_also_across_chunks(source, size):
    _, bad, _ = read_all(source, size)
    assert bad[-1] == Rejected("a", "read", "same id twice", "in.jsonl")


def test_a_broken_line_is_listed_with_its_place_in_the_file(source):
    _, bad, _ = read_all(source, 2)
    assert (bad[0].id, bad[0].reason) == ("in.jsonl:3", "not JSON")


def test_a_limit_takes_the_first_records(source):
    good, bad, plan = read_all(source, 10, limit=2)
    assert ([r["id"] for r in good], len(bad), plan.records) == (["a"], 1, 2)


def test_the_digest_is_of_the_records_not_of_how_they_are_cut(source):
    digest = source.plan(1, None).sha256
    assert source.plan(7, None).sha256 == digest
    source.path.write_text(source.path.read_text().replace('"b"', '"c"'))
    assert source.plan(1, None).sha256 != digest


def test_no_file_is_said(tmp_path):
    with pytest.raises(RunError, match=r"cannot read .*none\.jsonl"):
        JsonlSource(tmp_path / "none.jsonl").plan(5, None)


def test_a_source_travels_to_a_worker(source):
    assert pickle.loads(pickle.dumps(source)) == source
