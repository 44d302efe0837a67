"""Figures come from the file that evaluate wrote, and only those of this model count."""

from pathlib import Path

import pytest

from napari_ambiseg.errors import DataFileError
from trainer.exporting.figures import figures_of, figures_table, read_figures

from .conftest import evaluated, write_figures

MINE, OTHER = "a" * 64, "b" * 64


def test_a_table_has_a_figure_a_line_with_its_interval() -> None:
    lines = figures_table(evaluated(MINE)).splitlines()
    assert lines[2:] == [
        "| | 4 readings | 16 readings |",
        "|---|---|---|",
        "| ged (lower is better) | 0.250 [0.200, 0.312] | 0.200 |",
        "| ged_pp (lower is better) | 0.240 [0.200, 0.280] | - |",
    ]


def test_the_protocol_stands_above_the_table() -> None:
    first = figures_table(evaluated(MINE)).splitlines()[0]
    for said in (
        "9 slices of 5 patients",
        "a.h5, split val",
        "whole slice",
        "10 steps of ddim",
        "seed 3",
        "0.5 of the",
    ):
        assert said in first


def test_the_model_is_found_among_several(tmp_path: Path) -> None:
    path = write_figures(tmp_path / "f.json", {"models": [evaluated(OTHER, 0.9), evaluated(MINE, 0.1)]})
    assert figures_of({MINE, "c" * 64}, read_figures(path))["ged_4"]["mean"] == 0.1


def test_figures_of_another_model_are_refused() -> None:
    with pytest.raises(DataFileError, match=r"are of another model \(SHA-256 bbbbbbbbbbbb\.\.\.\)"):
        figures_of({MINE}, {OTHER: evaluated(OTHER)})


@pytest.mark.parametrize("content", [[], {}, 3, "text", {"models": [{}]}, {"protocol": {"model_sha256": MINE}}])
def test_a_file_without_figures_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="holds no figures"):
        read_figures(write_figures(tmp_path / "f.json", content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nothing\.json holds no figures"):
        read_figures(tmp_path / "nothing.json")


def test_figures_of_an_earlier_version_can_be_read() -> None:
    """Written before there were crops and guidance."""
    path = Path(__file__).parents[3] / "docs" / "results" / "lidc-small-64" / "first-weights.json"
    (figures,) = read_figures(path).values()
    assert "| ged (lower is better) | 0.362 [0.335, 0.391] | 0.260 [0.236, 0.286] |" in figures_table(figures)


def test_figures_of_another_smallest_lesion_are_not_the_model_s() -> None:
    figures = evaluated(MINE)
    assert "pixels empty" not in figures_table(figures)
    figures["protocol"]["smallest_px"] = 20
    assert "readings below 20 pixels empty, eta 0" in figures_table(figures)
    assert figures_of({MINE}, {MINE: figures}, smallest_px=20) is figures
    for own, told in ((0, "at least 20 pixels, the model's have 0"), (24, "at least 20 pixels, the model's have 24")):
        with pytest.raises(DataFileError, match=told):
            figures_of({MINE}, {MINE: figures}, smallest_px=own)
