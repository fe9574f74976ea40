"""``spacesgg score``: predictions in files against a truth, and two results against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from spacesgg_ros.cli.console import InputError, messages

from ..data.input_files import check_input, check_output
from .psg import cli as psg_cli

if TYPE_CHECKING:
    from spacesgg_ros.vlm import SceneGraphModel

    from .scoring.asking import Prompt
    from .scoring.reading import Read
    from .scoring.result import ScoreResult

console = Console()
if console.width < 124:
    console.width = 124  # the tables

_MOST_REASONS = 5
ANSWERS_FILE, PREDICTIONS_FILE = "answers.jsonl", "predictions.jsonl"

AnswersOption = Annotated[
    Path | None,
    typer.Option(
        callback=check_input, help='answers: {"question_id", "text"} a line, as LLaVA writes them'
    ),
]
TrainOption = Annotated[
    Path | None,
    typer.Option(
        callback=check_input, help="other such file, to learn the pixel-free baseline from"
    ),
]
ModelOption = Annotated[
    str, typer.Option(help="instead of a file: ask this folder, hub id or 'embedded'")
]
ImagesOption = Annotated[
    Path | None, typer.Option(help="folder of the pictures; default: that of the questions")
]
ChooseOption = Annotated[bool, typer.Option(help="let the model say only what can be an answer")]
PrecisionOption = Annotated[str, typer.Option(help="of the model: auto, fp32, fp16 or int8")]
ThreadsOption = Annotated[int, typer.Option(min=0, help="of the model; 0: one a core")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="at most so many, from the start")]
NameOption = Annotated[str, typer.Option(help="what the result is called; default: model or file")]
OutOption = Annotated[
    Path | None,
    typer.Option(callback=check_output, help="folder for report.md, result.json and pictures"),
]


def register(app: typer.Typer) -> None:
    """Add ``score`` to the command line."""
    score = typer.Typer(help="Score predictions and compare results.", no_args_is_help=True)
    score.callback()(_group)
    for command in (spatial, vsd, detection, compare):
        score.command(command.__name__)(command)
    psg_cli.register(score)
    app.add_typer(score, name="score")


def _group() -> None:
    """Score predictions and compare results."""


def spatial(
    questions: Annotated[
        Path, typer.Option(callback=check_input, help="JSONL: id, image, question, answer, ...")
    ],
    answers: AnswersOption = None,
    model: ModelOption = "",
    truth: Annotated[
        Path | None,
        typer.Option(callback=check_input, help="right answers, where the questions have none"),
    ] = None,
    train: TrainOption = None,
    images: ImagesOption = None,
    choose: ChooseOption = False,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    limit: LimitOption = None,
    name: NameOption = "",
    out: OutOption = None,
) -> None:
    """Accuracy on questions about where things are (SpaceSGG-Val and its like)."""
    from .scoring.asking import Prompt
    from .scoring.questions import likely_answers, read_questions
    from .scoring.spatial import score_answers

    _check_source(answers, model, "--answers")
    with _input_errors():
        asked = read_questions(questions, truth)
        learnt = None if train is None else read_questions(train).items
    _tell_bad(questions, asked)
    those = asked.items[:limit]
    prompts = [
        Prompt(q.id, q.image, q.text, likely_answers(q) if choose else (), q.mirror) for q in those
    ]
    said, noted = _get_answers(
        answers, model, prompts, images or questions.parent, precision, threads, out
    )
    settings = {"questions": questions.name} | noted
    settings |= {"train": train.name if train else "none", "choose": bool(model) and choose}
    with _input_errors():
        result = score_answers(
            those, said, name=name or _name(answers, model), train=learnt, settings=settings
        )
    _finish(result, "Spatial questions", out, asked)


def vsd(
    rows: Annotated[
        Path,
        typer.Option(
            callback=check_input, help="instruction rows of vsd-classify, -describe, -open"
        ),
    ],
    answers: AnswersOption = None,
    model: ModelOption = "",
    train: TrainOption = None,
    images: ImagesOption = None,
    choose: ChooseOption = True,
    tokenizer: Annotated[str, typer.Option(help="auto, ptb (Java) or plain")] = "auto",
    spice: Annotated[bool, typer.Option(help="also SPICE (Java 8; fetches its parser)")] = False,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    limit: LimitOption = None,
    name: NameOption = "",
    out: OutOption = None,
) -> None:
    """Visual spatial description: relations by accuracy and F1, sentences by BLEU and others."""
    from .scoring.vsd import score_vsd
    from .scoring.vsd_items import read_items

    _check_source(answers, model, "--answers")
    with _input_errors():
        read = read_items(rows)
        learnt = None if train is None else read_items(train).items
    _tell_bad(rows, read)
    items = read.items[:limit]
    prompts = [item.ask(choose) for item in items]
    said, noted = _get_answers(
        answers, model, prompts, images or rows.parent, precision, threads, out
    )
    settings = {"rows": rows.name} | noted
    settings |= {"train": train.name if train else "none", "choose": bool(model) and choose}
    with _input_errors():
        result = score_vsd(
            items,
            said,
            name=name or _name(answers, model),
            train=learnt,
            tokenizer=tokenizer,
            spice=spice,
            settings=settings,
        )
    _finish(result, "Visual spatial description", out, read)


def detection(
    truth: Annotated[
        list[Path],
        typer.Option(
            callback=check_input, help="COCO .json, grounded set .jsonl, or shards .tar; repeatable"
        ),
    ],
    predictions: Annotated[
        Path | None,
        typer.Option(
            callback=check_input, help="COCO results .json, or JSONL with labels and box_px"
        ),
    ] = None,
    model: ModelOption = "",
    train: Annotated[
        list[Path] | None,
        typer.Option(callback=check_input, help="training truth, for the pixel-free baseline"),
    ] = None,
    images: ImagesOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    limit: LimitOption = None,
    name: NameOption = "",
    out: OutOption = None,
) -> None:
    """Boxes by COCO's AP and AR (pycocotools)."""
    from .scoring.boxes import read_categories, read_predictions, read_truth, write_predictions
    from .scoring.detection import score_detection

    _check_source(predictions, model, "--predictions")
    with _input_errors():
        true = read_truth(truth)
        learnt = read_truth(train).items if train else None
        categories = {k: v for path in truth for k, v in read_categories(path).items()}
        guessed = read_predictions(predictions, categories) if predictions else None
    _tell_bad(truth[0], true)
    those = true.items[:limit]
    settings: dict[str, Any] = {"truth": ", ".join(path.name for path in truth)}
    if guessed is not None and predictions is not None:
        _tell_bad(predictions, guessed)
        boxes: Sequence[Any] = guessed.items
        _check_fit(predictions, [b.id for b in boxes], [t.id for t in those], "image")
        settings |= {"predictions": predictions.name, "bad predictions": guessed.reasons}
    else:
        from .scoring.asking import find_boxes

        loaded = _load(model, precision, threads)
        found = find_boxes(loaded, those, images or truth[0].parent)
        pairs = _track(found, len(those), f"boxes of {loaded.model_id}")
        boxes = [image for image, _ in pairs]
        problems = _count_problems([problem for _, problem in pairs], "image")
        settings |= {"model": loaded.model_id, "scores": "all 1", "problems": problems}
        if out is not None:
            write_predictions(out / PREDICTIONS_FILE, boxes)
    settings["train"] = ", ".join(path.name for path in train) if train else "none"
    with _input_errors():
        result = score_detection(
            those, boxes, name=name or _name(predictions, model), train=learnt, settings=settings
        )
    _finish(result, "Detection", out, true)


def compare(
    a: Annotated[Path, typer.Argument(help="result.json, or the folder it is in")],
    b: Annotated[Path, typer.Argument(help="the other")],
    out: Annotated[
        Path | None,
        typer.Option(
            callback=check_output, help="folder for report.md, comparison.json and a picture"
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="draws of the bootstrap")] = 1000,
) -> None:
    """Two results on the same items side by side, with significance."""
    from .scoring.compare import compare_results, difference_table, write_comparison
    from .scoring.result import read_result

    with _input_errors():
        comparison = compare_results(read_result(a), read_result(b), resamples)
    console.print(difference_table(comparison).rich())
    for caution in comparison.cautions:
        messages.print(f"[yellow]caution:[/] {caution}", highlight=False)
    if out is not None:
        console.print(f"{write_comparison(out, comparison)}")


@contextmanager
def _input_errors() -> Iterator[None]:
    from .scoring.outcomes import ScoreError

    try:
        yield
    except ScoreError as error:
        raise InputError(str(error)) from error


def _check_source(file: Path | None, model: str, option: str) -> None:
    if (file is None) == (not model):
        raise InputError(f"give {option} FILE or --model MODEL, one of the two")


def _get_answers(
    file: Path | None,
    model: str,
    prompts: Sequence[Prompt],
    images: Path,
    precision: str,
    threads: int,
    out: Path | None,
) -> tuple[dict[str, str], dict[str, Any]]:
    """Answers by id from the file or from the model, and what the settings say of them."""
    from .scoring.asking import ask_model
    from .scoring.reading import read_answers, write_answers

    if file is not None:
        with _input_errors():
            read = read_answers(file)
        _tell_bad(file, read)
        strangers = _check_fit(
            file, [k for k, _ in read.items], [p.id for p in prompts], "question"
        )
        noted = {"bad answers": read.reasons, "answers to no question": strangers}
        return dict(read.items), {"answers": file.name} | noted
    loaded = _load(model, precision, threads)
    asked = _track(ask_model(loaded, prompts, images), len(prompts), f"asking {loaded.model_id}")
    problems = _count_problems([answer.problem for answer in asked], "question")
    said = {answer.id: answer.text for answer in asked if not answer.problem}
    if out is not None:
        write_answers(out / ANSWERS_FILE, said, loaded.model_id)
    precision = loaded.runtime_info.precision
    return said, {"model": loaded.model_id, "precision": precision, "problems": problems}


def _load(model: str, precision: str, threads: int) -> SceneGraphModel:
    from spacesgg_ros.vlm import SceneGraphModel

    return SceneGraphModel.load(model, precision=precision, threads=threads)


def _track(items: Iterator[Any], total: int, title: str) -> list[Any]:
    with Progress(console=messages) as progress:
        return list(progress.track(items, total=total, description=title))


def _count_problems(problems: Sequence[str], noun: str) -> dict[str, int]:
    """Of what a model was asked: how often it could not be, by reason ("": it could).

    Raises:
        InputError: it never could.
    """
    from collections import Counter

    counts = Counter(problem for problem in problems if problem)
    failed = sum(counts.values())
    if failed:
        told = f"the first: {next(iter(counts))}; --images names the folder of the pictures"
        if failed == len(problems):
            raise InputError(f"no {noun} could be asked about; {told}")
        messages.print(f"[yellow]{failed} of {len(problems)} {noun}s not asked about,[/] ", end="")
        messages.print(told, markup=False, highlight=False, soft_wrap=True)
    return dict(counts.most_common())


def _check_fit(file: Path, said: Sequence[str], scored: Sequence[str], noun: str) -> int:
    """How many predictions are of nothing that is scored; tells of the first.

    Raises:
        InputError: all of them are.
    """
    from .scoring.reading import find_strangers

    with _input_errors():
        strangers = find_strangers(file, said, dict.fromkeys(scored), noun)
    if strangers:
        first = ", ".join(map(repr, strangers[:_MOST_REASONS]))
        told = f"{file.name}: {len(strangers)} of {len(said)} fit no {noun} that is scored: {first}"
        more = ", ..." if len(strangers) > _MOST_REASONS else ""
        messages.print(f"{told}{more}", style="yellow", markup=False, highlight=False)
    return len(strangers)


def _name(file: Path | None, model: str) -> str:
    return model if file is None else file.stem


def _tell_bad(file: Path, read: Read[Any]) -> None:
    reasons: Mapping[str, int] = read.reasons
    for reason, count in list(reasons.items())[:_MOST_REASONS]:
        messages.print(f"[yellow]{file.name}: {count} left out:[/] {reason}", highlight=False)


def _finish(result: ScoreResult, title: str, out: Path | None, truth: Read[Any]) -> None:
    """Print the headline; write the page."""
    from dataclasses import replace

    from .scoring.pages import SECTIONS
    from .scoring.report import headline_table, write_report

    details = {**result.details, "left out": truth.reasons, "left out entries": list(truth.bad)}
    result = replace(result, details=details)
    console.print(headline_table(result).rich())
    if out is not None:
        page = write_report(
            out, f"{title}: {result.name}", result, SECTIONS[result.protocol](result)
        )
        console.print(f"{page}")
