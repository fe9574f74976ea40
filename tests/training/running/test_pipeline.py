import pytest

from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.running.pipeline import (
    Batch,
    Pipeline,
    RunConfig,
    RunStopped,
    Stage,
    Times,
    apply_stage,
)


def give(function):
    return lambda: function


def batch_of(*numbers):
    return Batch(0, tuple({"id": f"r{n}", "n": n} for n in numbers), read=len(numbers))


def apply(function, batch, size=64):
    return apply_stage(Stage("toy", give(function), batch=size), function, batch)


def test_a_stage_gets_at_most_its_batch_in_order():
    met = []
    result = apply(lambda rs: met.append([r["n"] for r in rs]) or rs, batch_of(*range(7)), size=3)
    assert met == [[0, 1, 2], [3, 4, 5], [6]]
    assert [r["n"] for r in result.records] == list(range(7))


def test_what_a_stage_rejects_is_kept_beside_what_it_lets_through():
    bad = Rejected("r1", "toy", "odd")
    before = Rejected("r9", "read", "not JSON")
    batch = Batch(4, batch_of(0, 1, 2).records, (before,), 4)
    result = apply(lambda rs: [bad if r["n"] == 1 else r for r in rs], batch)
    assert [r["n"] for r in result.records] == [0, 2]
    assert result.rejected == (before, bad)
    assert (result.number, result.read) == (4, 4)


def test_more_may_come_out_than_went_in():
    result = apply(lambda rs: (r for r in rs for _ in range(3)), batch_of(1, 2))
    assert [r["n"] for r in result.records] == [1, 1, 1, 2, 2, 2]


def test_a_stage_that_fails_loses_the_one_record_it_fails_on():
    def invert(records):
        return [{**r, "n": 1 / r["n"]} for r in records]

    result = apply(invert, batch_of(1, 0, 2))
    assert [r["n"] for r in result.records] == [1, 0.5]
    assert result.rejected == (
        Rejected("r0", "toy", "the stage failed", "ZeroDivisionError: division by zero"),
    )


@pytest.mark.parametrize("error", [RunStopped("no server"), MemoryError()])
def test_what_is_no_records_fault_ends_the_run(error):
    def fail(records):
        raise error

    with pytest.raises(type(error)):
        apply(fail, batch_of(1, 2))


def test_time_is_counted_by_stage():
    result = apply(lambda rs: rs, Batch(0, (), times={"read": Times(1.0, 2.0)}))
    assert result.times["read"] == (1.0, 2.0) and result.times["toy"].cpu_s >= 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stage("", list),
        lambda: Stage("toy", list, batch=0),
        lambda: Stage("model", list, gpus=1),
        lambda: Pipeline(()),
        lambda: Pipeline((Stage("toy", list), Stage("toy", list))),
        lambda: RunConfig(None, output="csv"),
        lambda: RunConfig(None, chunk=0),
        lambda: RunConfig(None, jobs=0),
    ],
)
def test_what_cannot_be_run_is_refused(make):
    with pytest.raises(ValueError):
        make()
