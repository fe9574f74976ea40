"""``spacesgg data from-bag``, ``review``, ``accept`` and ``add-words``: a recording to rows."""

from __future__ import annotations

import itertools
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spacesgg_ros.cli.console import InputError, messages, output

_WORST = 5


def register(data: typer.Typer) -> None:
    """Add the subcommands to ``spacesgg data``."""
    data.command("from-bag")(from_bag)
    data.command("review")(review)
    data.command("accept")(accept)
    data.command("add-words")(add_words)


def from_bag(
    bag: Annotated[Path, typer.Argument(help="RGB-D recording: .mcap, .db3, .bag or a folder.")],
    out: Annotated[Path, typer.Option(help="Review folder to write, or to go on with.")],
    model: Annotated[
        str, typer.Option(help="Who labels: 'embedded', a model folder or a hub id.")
    ] = "embedded",
    every: Annotated[
        float, typer.Option(min=0.0, help="Least time between keyframes, seconds.")
    ] = 0.5,
    motion: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Least motion between them, picture widths.")
    ] = 0.04,
    limit: Annotated[int, typer.Option(min=0, help="Most keyframes; 0: all.")] = 0,
    image_topic: Annotated[
        str | None, typer.Option(help="Default: found by type and name.")
    ] = None,
    depth_topic: Annotated[str | None, typer.Option(help="Registered to the image.")] = None,
    camera_info_topic: Annotated[str | None, typer.Option(help="Of the image.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="For the model; 0: physical cores.")] = 0,
) -> None:
    """Choose keyframes of a recording, let the model label them and depth check that.

    Interrupt it at will: run again, it goes on. Then: spacesgg data review OUT
    """
    from spacesgg_ros.demo import DemoError
    from spacesgg_ros.demo.recording import Recording
    from spacesgg_ros.vlm.model import SceneGraphModel

    from . import from_bag as making
    from .from_bag_frames import KeyframeConfig
    from .review_record import ReviewError

    topics = {"image": image_topic, "depth": depth_topic, "camera_info": camera_info_topic}
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Recording(bag, **topics) as recording, Progress(*columns, console=messages) as bar:
            labeller = SceneGraphModel.load(model, threads=threads)
            task = bar.add_task("reading", total=recording.image_count)

            def report(progress: making.Progress) -> None:
                words = f"{progress.keyframes} keyframes"
                if progress.resumed:
                    words += f" ({progress.resumed} labelled before)"
                bar.update(task, completed=progress.frames, description=words)

            known = sorted(set(labeller.folder.vision_config.get("id2label", {}).values()))
            config = KeyframeConfig(every, motion, limit=limit)
            made = making.build_review(recording, out, labeller, config, known, report)
    except (DemoError, ReviewError, making.FromBagError, OSError) as error:
        raise InputError(str(error)) from error
    objects = [o for f in made.frames for o in f.objects]
    doubts = sum(o.status == "doubt" for o in objects)
    table = Table(title=f"{made.bag} → {out}", title_justify="left", show_header=False)
    table.add_row("frames", ", ".join(f"{n} {fate}" for fate, n in made.counts.items()))
    table.add_row("objects", f"{len(objects)}, of them {doubts} in doubt")
    sources = [r.source for f in made.frames for r in f.relations]
    table.add_row(
        "model's relations",
        f"{sources.count('both')} agree with depth, {sources.count('contradicted')} contradict it, "
        f"{sources.count('model')} cannot be measured",
    )
    for stamp_ns, reason in made.bad[:_WORST]:
        table.add_row(f"bad frame at {stamp_ns / 1e9:.3f} s", reason)
    if len(made.bad) > _WORST:
        table.add_row("", f"and {len(made.bad) - _WORST} more, all in review.json")
    output.print(table)
    messages.print(f"Next: spacesgg data review {out}", highlight=False)


def review(
    folder: Annotated[Path, typer.Argument(help="What from-bag wrote.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8010,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Serve the review page on this machine until Ctrl-C: keep, fix, reject in the browser.

    Every decision is saved at once. Then: spacesgg data accept FOLDER --out rows.jsonl
    """
    from .review import ReviewStore
    from .review_record import ReviewError
    from .review_server import ReviewServer

    try:
        server = ReviewServer(ReviewStore(folder), port)
    except (ReviewError, OSError) as error:
        raise InputError(str(error)) from error
    with server:
        messages.print(f"Review page: {server.url}  (Ctrl-C ends)", highlight=False)
        if browser:
            webbrowser.open(server.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            messages.print(f"Saved. Next: spacesgg data accept {folder} --out rows.jsonl")


def accept(
    folder: Annotated[Path, typer.Argument(help="A reviewed folder.")],
    out: Annotated[Path, typer.Option(help="Training rows to write (JSON lines).")],
    holdout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the frames held out: the latest.")
    ] = 0.2,
    mirror: Annotated[bool, typer.Option(help="Add each training frame seen in a mirror.")] = True,
    tasks: Annotated[str, typer.Option(help="Comma-separated; all by default.")] = "",
) -> None:
    """Accepted frames to instruction rows: OUT to train on, OUT.held-out.jsonl to test with."""
    from .review_accept import accept_review
    from .review_record import ReviewError
    from .rows import TASKS, write_rows

    held_out = out.with_suffix(".held-out.jsonl")
    chosen = tuple(task.strip() for task in tasks.split(",") if task.strip()) or TASKS
    try:
        rows = accept_review(folder, out.parent, holdout, mirror, chosen)
    except (ReviewError, ValueError, OSError) as error:
        raise InputError(str(error)) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    write_rows(out, rows.train)
    write_rows(held_out, rows.held_out)
    table = Table(title=f"{folder} → {out}", title_justify="left")
    for heading in ("", "to train", "held out"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("frames", str(len(rows.train_frames)), str(len(rows.held_out_frames)))
    table.add_row("rows", str(len(rows.train)), str(len(rows.held_out)))
    for task in sorted({row.task for row in (*rows.train, *rows.held_out)}):
        counts = [sum(r.task == task for r in part) for part in (rows.train, rows.held_out)]
        table.add_row(f"  {task}", *map(str, counts))
    output.print(table)
    common = ", ".join(f"{name} {n}" for name, n in itertools.islice(rows.labels.most_common(), 30))
    output.print(f"classes to train: {common}", highlight=False)
    for key, reason in rows.bad:
        output.print(f"left out: frame {key}: {reason}", highlight=False)


def add_words(
    rows: Annotated[Path, typer.Argument(help="Rows that will be trained on.")],
    out: Annotated[Path, typer.Option(help="Model folder to write: train that one.")],
    model: Annotated[
        str, typer.Option(help="'embedded', a model folder or a hub id.")
    ] = "embedded",
) -> None:
    """Copy a model with a token for each word of ROWS that its tokenizer would have to spell.

    The embedded model needs it for new class names: its letters were never trained.
    """
    from spacesgg_ros.vlm.folder import open_folder

    from . import new_words
    from .rows import RowError, read_rows

    if out.exists():
        raise InputError(f"{out} exists; name another --out")
    folder = open_folder(model)
    try:
        words = new_words.find_new_words(folder.load_tokenizer(), read_rows(rows))
    except (RowError, OSError) as error:
        raise InputError(str(error)) from error
    if not words:
        output.print(f"{model} has a token for every word: train it as it is")
        return
    new_words.add_words(model, words, out)
    output.print(f"{out}: {model} with tokens for {', '.join(words)}", highlight=False)
