"""``spacesgg score psg | predcls | psg-recall | psg-frequency``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacesgg_ros.cli.console import InputError, messages, output

from ...data.input_files import check_input, check_output

if TYPE_CHECKING:
    from spacesgg_ros.training.data.rejected import Rejected
    from spacesgg_ros.training.evaluate.scoring.result import ScoreResult

    from .frequency import Frequencies

_FrequencyOption = Annotated[
    Path | None,
    typer.Option(
        callback=check_input,
        help="of `score psg-frequency`; default: every image is judged by the others of the set",
    ),
]
_OutOption = Annotated[
    Path | None,
    typer.Option(
        callback=check_output, help="folder for report.md, result.json and left-out.jsonl"
    ),
]
_NameOption = Annotated[str, typer.Option(help="of what is scored; default: the file's")]


def register(score: typer.Typer) -> None:
    """Add the commands of PSG to ``spacesgg score``."""
    score.command("psg")(psg)
    score.command("predcls")(score_predicates)
    score.command("psg-recall")(psg_recall)
    score.command("psg-frequency")(psg_frequency)


def psg(
    questions: Annotated[
        Path,
        typer.Option(
            callback=check_input, help="psg_eval.jsonl, or psg.json for its whole test split"
        ),
    ],
    answers: Annotated[
        Path, typer.Option(callback=check_input, help='JSONL: {"question_id", "text"}')
    ],
    protocol: Annotated[
        str, typer.Option(help="asmv2, corrected or both; both are always printed, this one first")
    ] = "both",
    synonyms: Annotated[
        Path | None,
        typer.Option(
            callback=check_input, help="a class and its synonyms a line; default: our own table"
        ),
    ] = None,
    lemmatiser: Annotated[str, typer.Option(help="auto, spacy or simplemma")] = "auto",
    one_to_one: Annotated[
        bool, typer.Option(help="corrected: a prediction finds one true relation only")
    ] = False,
    frequency: _FrequencyOption = None,
    name: _NameOption = "",
    out: _OutOption = None,
) -> None:
    """Open-ended scene graphs in text: ASMv2's protocol and the corrected one, side by side."""
    from .lemmas import LEMMATISERS, load_lemmatiser
    from .records import read_answers, read_questions
    from .results import PROTOCOLS, score_psg
    from .synonyms import read_synonyms
    from .truth import read_truth, to_question

    if protocol not in PROTOCOLS:
        raise InputError(f"--protocol is {', '.join(PROTOCOLS)}; got {protocol!r}")
    if lemmatiser not in ("auto", *LEMMATISERS):
        raise InputError(f"--lemmatiser is auto, {', '.join(LEMMATISERS)}; got {lemmatiser!r}")
    if questions.suffix == ".json":
        images, rejected = read_truth(questions)
        asked = [to_question(image) for image in images if image.relations]
    else:
        asked, rejected = read_questions(questions)
    said, unusable = read_answers(answers, asked)
    rejected += unusable
    result = score_psg(
        name or answers.stem,
        asked,
        said,
        read_synonyms(synonyms),
        load_lemmatiser(lemmatiser),
        protocol=protocol,
        frequencies=_read_frequencies(frequency),
        one_to_one=one_to_one,
        settings={
            "questions": questions.name,
            "answers": answers.name,
            "synonyms": synonyms.name if synonyms else "our own table",
        },
        rejected=rejected,
    )
    stopping = result.details["answers that stop the published script"]
    if stopping:
        messages.print(
            f"[yellow]the published script would end in an error on {len(stopping)} of the "
            f"answers, the first to {stopping[0]}; here they count without the broken part[/]"
        )
    _finish(result, "PSG, open-ended", rejected, out)


def score_predicates(
    questions: Annotated[
        Path,
        typer.Option(
            callback=check_input, help="JSONL: question_id, image, subj, obj, correct_option"
        ),
    ],
    scores: Annotated[
        Path, typer.Option(callback=check_input, help="JSONL: question_id, text [options], scores")
    ],
    as_published: Annotated[
        bool, typer.Option(help="also with the script's defects: K-1, labels only")
    ] = False,
    per_pair: Annotated[
        int, typer.Option(min=0, help="options of a pair that count; 1: graph constraint; 0: all")
    ] = 0,
    frequency: _FrequencyOption = None,
    name: _NameOption = "",
    out: _OutOption = None,
) -> None:
    """Predicates of true objects, ranked by score (PredCls): R@K and mR@K."""
    from .predcls import read_pair_answers, read_pair_questions
    from .results import score_predcls

    asked, rejected = read_pair_questions(questions)
    said, unusable = read_pair_answers(scores, asked)
    rejected += unusable
    result = score_predcls(
        name or scores.stem,
        asked,
        said,
        as_published=as_published,
        per_pair=per_pair,
        frequencies=_read_frequencies(frequency),
        settings={"questions": questions.name, "scores": scores.name},
        rejected=rejected,
    )
    _finish(result, "PSG, predicate classification", rejected, out)


def psg_recall(
    truth: Annotated[
        Path, typer.Option(callback=check_input, help="psg.json, or a grounded set (.jsonl)")
    ],
    predictions: Annotated[
        Path, typer.Option(callback=check_input, help="JSONL: image_id, objects, relations")
    ],
    split: Annotated[str, typer.Option(help="of psg.json: test or train")] = "test",
    masks: Annotated[bool, typer.Option(help="overlap of masks instead of boxes")] = False,
    panoptic: Annotated[
        Path | None, typer.Option(help="folder of psg.json's panoptic pictures, for --masks")
    ] = None,
    frequency: _FrequencyOption = None,
    name: _NameOption = "",
    out: _OutOption = None,
) -> None:
    """Ranked relations as OpenPSG counts them: R@K, mR@K, F1@K, with graph constraint and without.

    Names that start with "ng" are without the graph constraint.
    """
    from .results import score_ranked
    from .truth import read_predictions, read_truth, to_labelled

    images, rejected = read_truth(truth, split, panoptic)
    labelled = [to_labelled(image) for image in images]
    said, unusable = read_predictions(predictions, [image.image for image in labelled])
    rejected += unusable
    if masks:
        for where, those, hint in (
            (truth, labelled, "give --panoptic FOLDER"),
            (predictions, said.values(), "each object needs a mask"),
        ):
            bare = next((o.image for o in those if o.labels and not o.masks), None)
            if bare is not None:
                raise InputError(f"{where} has no masks of image {bare}; {hint}")
    result = score_ranked(
        name or predictions.stem,
        labelled,
        said,
        masks=masks,
        frequencies=_read_frequencies(frequency),
        settings={"truth": truth.name, "predictions": predictions.name},
        rejected=rejected,
    )
    _finish(result, "PSG, ranked relations", rejected, out)


def psg_frequency(
    train: Annotated[
        Path, typer.Argument(callback=check_input, help="psg.json, or a grounded set (.jsonl)")
    ],
    out: Annotated[Path, typer.Option(help="table to write")],
    split: Annotated[str, typer.Option(help="of psg.json: train or test")] = "train",
) -> None:
    """Count which predicates relate which labels: the pixel-free baseline of the other commands."""
    from .frequency import count_triplets, image_triplets, save_frequencies
    from .truth import read_truth, to_labelled

    images, rejected = read_truth(train, split)
    table = count_triplets(t for image in images for t in image_triplets(to_labelled(image)))
    save_frequencies(table, out)
    _tell_left_out(rejected)
    output.print(
        f"{out}: {sum(table.triplets.values())} relations of {len(images)} images, "
        f"{len(table.triplets)} different"
    )


def _read_frequencies(path: Path | None) -> Frequencies | None:
    from .frequency import load_frequencies

    return None if path is None else load_frequencies(path)


def _tell_left_out(rejected: Sequence[Rejected]) -> None:
    from spacesgg_ros.training.data.rejected import count_reasons, rejected_table

    if rejected:
        messages.print(rejected_table(count_reasons(rejected), "rows to look at"))


def _finish(
    result: ScoreResult, title: str, rejected: Sequence[Rejected], out: Path | None
) -> None:
    """Print the headline; write the page, the result and the rows left out."""
    from spacesgg_ros.training.data.rejected import write_rejected
    from spacesgg_ros.training.evaluate.scoring.report import headline_table, write_report

    from .pages import make_sections

    _tell_left_out(rejected)
    output.print(headline_table(result).rich())
    for key in ("lemmatiser", "synonyms", "baseline learnt from"):
        if key in result.settings:
            output.print(f"{key}: {result.settings[key]}", highlight=False)
    if out is not None:
        page = write_report(out, f"{title}: {result.name}", result, make_sections(result))
        write_rejected(out / "left-out.jsonl", rejected)
        output.print(f"{page}")
