"""What the application saves, without a window."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.viewer import app
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.keeping.kept import keep
from napari_ambiseg.viewer.keeping.writing import keep_figures
from napari_ambiseg.viewer.session.result import Result, derive


def test_without_experts_no_comparison_of_an_earlier_run_is_left(
    make_result: Callable[..., Result], tmp_path: Path
) -> None:
    result = make_result(readings=2)
    assert (tmp_path / "comparison.csv") in keep_figures(keep(result, derive(result, 0.0), []), tmp_path)
    none = Experts(masks=result.request.experts.masks[:0], names=())
    alone = replace(result, request=replace(result.request, experts=none))
    assert keep_figures(keep(alone, derive(alone, 0.0), []), tmp_path) == [tmp_path / "trajectory.gif"]
    assert not (tmp_path / "comparison.csv").exists()


def test_a_file_in_place_of_the_folder_is_refused_before_sampling(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    nothing: Any = None  # neither viewer nor panel is asked
    with pytest.raises(DataFileError, match=r"out.*give a folder"):
        app.run_and_save(nothing, nothing, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
