"""Pages about results."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacesgg_ros.extras import MissingExtraError
from spacesgg_ros.training.evaluate.report import Table
from spacesgg_ros.training.evaluate.scoring import plots
from spacesgg_ros.training.evaluate.scoring.outcomes import RATIO, Outcomes
from spacesgg_ros.training.evaluate.scoring.report import Plot, Section, write_report
from spacesgg_ros.training.evaluate.scoring.result import make_result, read_result

RESULT = make_result(
    "model",
    "spatial",
    {"accuracy": Outcomes(RATIO, {"a": [1, 1], "b": [0, 1]}), "METEOR": Outcomes(RATIO, {})},
    baseline={"majority": {"accuracy": Outcomes(RATIO, {"a": [1, 1], "b": [1, 1]})}},
    settings={"not measured": {"METEOR": "no Java | here"}},
)


def _draw(path: Path) -> None:
    path.write_bytes(b"png")


def test_a_page_has_numbers_sections_pictures_and_settings(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    table = Table("t", ("x", "y"), (("1", "2"),))
    section = Section("More", "Words.", table, Plot("more.png", "a picture", _draw))
    page = write_report(tmp_path, "Title", RESULT, [section]).read_text()
    assert page.startswith("# Title\n")
    assert "| accuracy | 0.500 | 0.000–1.000 | 1.000 | 2 |" in page
    assert "| METEOR | not measured |  |  | 0 |" in page
    assert "## More\n\nWords.\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\n![a picture]" in page
    assert "METEOR: no Java \\| here" in page
    assert page.index("## Numbers") < page.index("## More") < page.index("## Settings")
    assert read_result(tmp_path) == RESULT
    assert {f.name for f in tmp_path.iterdir()} == {
        "report.md", "result.json", "headline.png", "more.png",
    }  # fmt: skip


def test_without_matplotlib_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(module: str, extra: str) -> None:
        raise MissingExtraError(f"{module} needs {extra}")

    monkeypatch.setattr(plots, "require", refuse)
    page = write_report(tmp_path, "Title", RESULT).read_text()
    assert "(No picture: matplotlib needs text-metrics)" in page
    assert "0.500" in page


def test_pictures_are_drawn_off_screen_and_are_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    confusion = {"on": {"on": 3, "(none)": 1}, "in": {"on": 1}}
    for name in ("a", "b"):
        plots.draw_confusion(confusion, ("on", "in"), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert [f.name for f in sorted(tmp_path.iterdir())] == ["a.png", "b.png"]
