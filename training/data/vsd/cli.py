"""``spacesgg data vsd``, ``vsr`` and ``refine``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from spacesgg_ros import __version__
from spacesgg_ros.cli.console import InputError, messages, output

from ..given_options import refuse_given
from ..input_files import check_folder, check_input
from ..rejected import Rejected, count_reasons, rejected_table, write_rejected
from ..rows import Row
from ..writing.options import (
    ANSWERS,
    SERVER_OPTIONS,
    ServerOptions,
    add_options,
    make_endpoint,
    tell_spent,
)

_REWRITERS = ("rules", "openai")
_Out = Annotated[Path, typer.Option(help="rows file (.jsonl) to write")]
_Images = Annotated[Path | None, typer.Option(callback=check_folder, help="folder of the pictures")]
_Tasks = Annotated[str, typer.Option(help="comma-separated; all three by default")]
_Seed = Annotated[int, typer.Option(help="another seed, other sentences")]
_Choice = Annotated[bool, typer.Option(help="ask with a blank and the list of the nine labels")]


def register(data: typer.Typer) -> None:
    """Add the commands to ``spacesgg data``."""
    data.command("vsd")(vsd)
    data.command("vsr")(vsr)
    data.command("refine")(add_options(refine))


def vsd(
    files: Annotated[
        list[Path], typer.Argument(callback=check_input, help="VSD files, v1 or v2 (JSON)")
    ],
    out: Annotated[Path | None, typer.Option(help="rows file (.jsonl) to write")] = None,
    v2: Annotated[
        list[Path] | None,
        typer.Option(callback=check_input, help="v2 files of the same pictures: third sentences"),
    ] = None,
    images: _Images = None,
    tasks: _Tasks = "",
    seed: _Seed = 0,
    choice: _Choice = False,
    fill: Annotated[bool, typer.Option(help="templates for sentences that people lack")] = False,
    statistics: Annotated[bool, typer.Option(help="print what the files consist of")] = False,
) -> None:
    """Turn VSD's annotations into rows of LLaVA-VSD's three tasks."""
    from .captions import PictureFolder, described_rows, gather_captions
    from .files import VsdFileError, read_vsd, split_rejected
    from .statistics import agreement_table, count_file, label_table, statistics_table

    config = _make_config(tasks, seed, choice)
    if out is None and not statistics:
        raise InputError("nothing to do: give --out ROWS.jsonl, --statistics, or both")
    try:
        read = {file: split_rejected(read_vsd(file)) for file in [*files, *(v2 or ())]}
    except VsdFileError as error:
        raise InputError(str(error)) from error
    for file, (good, bad) in read.items():
        if not good:
            first = f"; the first: {bad[0].reason} ({bad[0].detail})" if bad else ""
            raise InputError(f"{file} holds no usable picture{first}; is it a file of VSD's?")
    summary: dict[str, Any] = {}
    if statistics:
        counted = {file.name: count_file(*found) for file, found in read.items()}
        for show in (statistics_table, label_table, agreement_table):
            output.print(show(counted))
        summary["statistics"] = {name: counts.to_dict() for name, counts in counted.items()}
    rejected = [entry for _, bad in read.values() for entry in bad]
    if out is None:
        _print_rejected(rejected)
        return
    longer = gather_captions(read[file][0] for file in v2 or ())
    pictures = PictureFolder(images, out.parent)
    seen: set[str] = set()

    def make_rows() -> Iterator[Row | Rejected]:
        for file in files:
            for image in read[file][0]:
                if image.id in seen:
                    yield Rejected(image.id, "vsd", "image in two files", file.name)
                    continue
                seen.add(image.id)
                yield from described_rows(image, longer.get(image.id, ()), pictures, config, fill)

    summary |= {"files": [f.name for f in files], "v2": [f.name for f in v2 or ()], "fill": fill}
    _write(out, make_rows(), rejected, summary | {"config": asdict(config)}, images)


def vsr(
    files: Annotated[
        list[Path], typer.Argument(callback=check_input, help="VSR files (JSON lines)")
    ],
    out: _Out,
    images: _Images = None,
    tasks: _Tasks = "",
    seed: _Seed = 0,
    choice: _Choice = False,
) -> None:
    """Turn VSR's true captions into rows, where their relation says one of the nine labels."""
    from .captions import PictureFolder, verified_rows
    from .files import VsdFileError
    from .vsr import read_vsr

    config = _make_config(tasks, seed, choice)
    pictures = PictureFolder(images, out.parent)
    rejected: list[Rejected] = []
    mapped: dict[str, dict[str, int]] = {}

    def make_rows() -> Iterator[Row | Rejected]:
        for file in files:
            for item in read_vsr(file):
                if isinstance(item, Rejected):
                    yield item
                    continue
                relations = mapped.setdefault(item.predicate, {})
                relations[item.relation] = relations.get(item.relation, 0) + 1
                yield from verified_rows(item, pictures, config)

    summary = {"files": [f.name for f in files], "relations": mapped, "config": asdict(config)}
    try:
        _write(out, make_rows(), rejected, summary, images)
    except VsdFileError as error:
        raise InputError(str(error)) from error
    output.print(_mapping_table(mapped))


def refine(
    context: typer.Context,
    rows: Annotated[Path, typer.Argument(callback=check_input, help="rows file (.jsonl)")],
    out: _Out,
    rewriter: Annotated[str, typer.Option(help="rules, or openai for a language model")] = "rules",
    seed: _Seed = 0,
    *,
    server: ServerOptions,
) -> None:
    """Rewrite the sentences of VSD rows; only rewrites that say the same replace the original."""
    from ..rows import RowError, read_rows
    from ..writing.generator import GenerationFailed
    from .diversity import diversity_table
    from .refinement import REFINED_TASKS, RefinementReport, Rewriter, refine_rows
    from .rewriters import MAX_TOKENS, ModelRewriter
    from .rules import RuleRewriter

    if out.resolve() == rows.resolve():
        raise InputError(f"--out must be another file than {rows}")
    if rewriter not in _REWRITERS:
        raise InputError(f"--rewriter is {' or '.join(_REWRITERS)}; got {rewriter!r}")
    endpoint = None
    chosen: Rewriter = RuleRewriter(seed)
    if rewriter == "openai":
        cache = out.with_name(f"{out.stem}.{ANSWERS}")
        endpoint = make_endpoint(server, "--rewriter openai", cache, MAX_TOKENS)
        chosen = ModelRewriter(endpoint, seed)
    else:
        why = "for a language model, and the rules ask none; add --rewriter openai"
        refuse_given(context, SERVER_OPTIONS, why)
    report = RefinementReport()
    try:
        source = _move(read_rows(rows), rows.resolve().parent, out.resolve().parent)
        count = _write_rows(out, refine_rows(source, chosen, report), report.rejected)
    except (OSError, RowError, RecursionError) as error:
        raise InputError(f"cannot refine {rows}: {error}") from error
    except GenerationFailed as error:
        raise InputError(
            f"the language model gives no more answers: {error.reason.value}: {error}; "
            "answers so far are kept, the same command goes on from them"
        ) from error
    if not report.before:
        out.unlink()
        raise InputError(
            f"{rows} has no sentence to rewrite: none of its {count} rows is of "
            f"{' or '.join(REFINED_TASKS)}; `spacesgg data vsd` and `vsr` make such rows"
        )
    summary = report.summary() | {"rewriter": chosen.name, "seed": seed, "rows_in_all": count}
    _write_summary(out, summary, report.rejected)
    _print_rejected(report.rejected)
    output.print(diversity_table(report.diversity()))
    output.print(
        f"{count:,} rows: {out}; of {len(report.before):,} sentences {report.changed:,} rewritten, "
        f"{report.same:,} given back unchanged, {len(report.rejected):,} rewrites rejected"
    )
    if endpoint is not None:
        tell_spent(endpoint)


def _make_config(tasks: str, seed: int, choice: bool) -> Any:
    from .tasks import VSD_TASKS, VsdConfig

    chosen = tuple(task.strip() for task in tasks.split(",") if task.strip()) or VSD_TASKS
    try:
        return VsdConfig(seed=seed, tasks=chosen, choice=choice)
    except ValueError as error:
        raise InputError(str(error)) from error


def _move(rows: Iterable[Row], old: Path, new: Path) -> Iterator[Row]:
    """Rows for a file in another folder: their pictures' paths are relative to it."""
    for row in rows:
        if old == new:
            yield row
        else:
            place = Path(os.path.relpath(old / row.image, new)).as_posix()
            yield replace(row, image=place)


def _write_rows(out: Path, made: Iterable[Row | Rejected], rejected: list[Rejected]) -> int:
    from ..rows import write_rows

    def good() -> Iterator[Row]:
        for item in made:
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                yield item

    return write_rows(out, good())


def _write(
    out: Path,
    made: Iterable[Row | Rejected],
    rejected: list[Rejected],
    summary: dict[str, Any],
    images: Path | None,
) -> None:
    tasks: Counter[str] = Counter()

    def counted() -> Iterator[Row | Rejected]:
        for item in made:
            if isinstance(item, Row):
                tasks[item.task] += 1
            yield item

    count = _write_rows(out, counted(), rejected)
    _write_summary(out, {"rows": dict(tasks)} | summary, rejected)
    _print_rejected(rejected)
    if not count:
        out.unlink()
        raise InputError(_explain_none(out, rejected, images))
    told = ", ".join(f"{number:,} {task}" for task, number in tasks.items())
    output.print(f"{count:,} rows: {out} ({told})")
    if images is None:
        messages.print(
            "[yellow]sizes unknown:[/] without --images rows say 1 x 1 and cannot be trained on"
        )


def _explain_none(out: Path, rejected: list[Rejected], images: Path | None) -> str:
    """Why there is no row, by the most frequent reason, and what to do."""
    from .captions import NO_IMAGE

    told = f"no row came out, so {out} is not written"
    if not rejected:
        return f"{told}: the files hold nothing"
    reasons = Counter(entry.reason for entry in rejected)
    reason, times = reasons.most_common(1)[0]
    first = next(entry for entry in rejected if entry.reason == reason)
    hint = f"; is --images {images} the folder of the pictures?" if NO_IMAGE in reasons else ""
    return f"{told}; {times} times {reason}: {first.id}, {first.detail}{hint}"


def _write_summary(out: Path, summary: dict[str, Any], rejected: list[Rejected]) -> None:
    facts = {"file": out.name, "version": __version__, "not_used": count_reasons(rejected)}
    out.with_suffix(".stats.json").write_text(json.dumps(facts | summary, indent=1) + "\n")
    write_rejected(out.with_suffix(".rejected.jsonl"), rejected)


def _print_rejected(rejected: list[Rejected]) -> None:
    if rejected:
        output.print(rejected_table(count_reasons(rejected)))


def _mapping_table(mapped: dict[str, dict[str, int]]) -> Any:
    from rich.table import Table

    from spacesgg_ros.graph.predicates import VSD_LABELS

    table = Table("label", "captions", "relations", title="captions by label")
    for label in VSD_LABELS:
        relations = sorted(mapped.get(label, {}).items(), key=lambda item: (-item[1], item[0]))
        told = ", ".join(f"{name} {count}" for name, count in relations)
        table.add_row(label, str(sum(count for _, count in relations)), told)
    return table
