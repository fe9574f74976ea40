"""What a folder holds: the settings, input and code of its run. Another run in it is refused."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spacesgg_ros.graph
from spacesgg_ros import __version__
from spacesgg_ros.training import data

from .chunks import Plan
from .parts import write_whole
from .pipeline import Pipeline, RunConfig, RunError

MANIFEST = "manifest.json"
_RESULTS = ("rows.jsonl", "rejected.jsonl", "counts.json", "parts")


def make_manifest(pipeline: Pipeline, config: RunConfig, plan: Plan) -> dict[str, Any]:
    """All that decides the bytes of a run; not who runs it nor how many at once."""
    return {
        "settings": {
            "stages": [stage.name for stage in pipeline.stages],
            **json.loads(json.dumps(pipeline.settings)),
            "output": config.output,
            "chunk": config.chunk,
            "limit": config.limit,
        },
        "input": {"sha256": plan.sha256, "records": plan.records, "chunks": len(plan.chunks)},
        "code": {"version": __version__, "sha256": hash_code()},
    }


def open_folder(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Begin a run in ``folder``, or find that it is this one.

    Raises:
        RunError: it holds another run, or results that no manifest speaks of.
    """
    path = folder / MANIFEST
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError as error:
            raise RunError(f"{path} is not a manifest ({error}); choose another folder") from error
        if differences := list_differences(found, manifest):
            raise RunError(
                f"{folder} holds a run with another {'; '.join(differences)}. "
                "Choose another --out, or delete it to begin again."
            )
        return
    if held := [name for name in _RESULTS if (folder / name).exists()]:
        raise RunError(
            f"{folder} has {', '.join(held)} but no {MANIFEST}: not a run of this command. "
            "Choose another --out."
        )
    write_whole(path, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())


def list_differences(found: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """``"chunk: 50 there, 20 asked for"`` of every leaf that differs."""

    def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from leaves(inner, f"{name}.{key}" if name else str(key))
        else:
            yield name, value

    there, here = dict(leaves(found, "")), dict(leaves(asked, ""))
    return [
        f"{name.removeprefix('settings.')}: {_short(there.get(name))} there, "
        f"{_short(here.get(name))} asked for"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:12]}..."


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a folder against a second run; a killed one lets go of it.

    Raises:
        RunError: another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"another run is writing to {folder}") from error
        yield


@functools.cache
def hash_code() -> str:
    """SHA-256 of the sources that rows depend on: ``training/data`` and ``graph``."""
    digest = hashlib.sha256()
    for package in (data, spacesgg_ros.graph):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
