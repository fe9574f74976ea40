"""A run in a process of its own that can be killed: OUT RUNNER JOBS OUTPUT INPUT [KILL_ID]."""

import functools
import os
import signal
import sys
from pathlib import Path

from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.running import manifest
from spacesgg_ros.training.data.running.chunks import JsonlSource
from spacesgg_ros.training.data.running.pipeline import Pipeline, RunConfig, RunStopped, Stage
from spacesgg_ros.training.data.running.run import run_pipeline


def describe(records):
    """Every number that 7 divides is rejected, of every other one two rows are made."""
    for record in records:
        if record["number"] % 7 == 0:
            yield Rejected(record["id"], "describe", "divisible")
            continue
        for k in range(2):
            turns = [
                {"from": "human", "value": "<image>\nWhich?"},
                {"from": "gpt", "value": f"number {record['number']}, é"},
            ]
            yield {
                "id": f"{record['id']}-{k}",
                "image": f"{record['id']}.jpg",
                "width": 4,
                "height": 3,
                "task": "qa" if k else "description",
                "conversations": turns,
                "mirror": False,
                "source": "toy",
                "provenance": {"k": k},
            }


def square(records):
    """Stands for a model: its own copy, made once."""
    return [{**record, "provenance": {**record["provenance"], "squared": 1}} for record in records]


def die_at(victim, driver, records):
    """SIGKILL for the command and for this worker in the middle of the record ``victim``;
    with "?" behind its id, only say that no record can be done."""
    if any(record["id"].split("-")[0] == victim.rstrip("?") for record in records):
        if victim.endswith("?"):
            raise RunStopped("no server")
        os.kill(driver, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return records


def give(function):
    return function


def make_pipeline(victim="", seed=1):
    functions = {
        "describe": describe,
        "square": square,
        "check": functools.partial(die_at, victim, os.getpid()),
    }
    stages = [
        Stage(name, functools.partial(give, function), batch=3, actors=int(name == "square"))
        for name, function in functions.items()
    ]
    return Pipeline(tuple(stages), {"seed": seed})


if __name__ == "__main__":
    manifest.hash_code = lambda: "sources may be edited between two runs of a test"
    out, runner, jobs, output, source = sys.argv[1:6]
    config = RunConfig(Path(out), output, chunk=5, jobs=int(jobs))
    try:
        run_pipeline(make_pipeline(*sys.argv[6:]), JsonlSource(Path(source)), config, runner)
    except RunStopped as error:
        sys.exit(f"stopped: {error}")
