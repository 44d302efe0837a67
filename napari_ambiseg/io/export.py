"""What a session of reading leaves behind for numpy and for tables: masks as NPZ, the comparison as CSV.

Every file replaces its target in one step; what cannot be written raises ``DataFileError`` and leaves the old file.
S samples, R readers (experts), H x W pixels.
"""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.io.output import write_output
from napari_ambiseg.readings.agreement import Comparison

NOTICE = "For research, not for diagnosis"
"""Stands in every file that shows results to people."""


def save_readings_npz(
    path: Path,
    *,
    readings: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    spacing_mm: tuple[float, float] | None = None,
    seeds: Sequence[int] | None = None,
) -> None:
    """Write masks for numpy: ``readings`` bool (S, H, W) and ``experts`` bool (R, H, W), R may be 0.

    Height and width of a pixel follow as ``spacing_mm`` (2,), the readings' seeds as ``seeds`` (S,) uint64, where they
    are known.

    Raises:
        InputImageError: If they are not boolean masks of one size, or there are not as many seeds as readings.
        DataFileError: If the file cannot be written.
    """
    if {readings.dtype, experts.dtype} != {np.dtype(np.bool_)} or readings.shape[1:] != experts.shape[1:]:
        raise InputImageError(
            f"cannot save readings {readings.dtype} {readings.shape} with experts {experts.dtype} {experts.shape}; "
            "expected booleans (number, height, width) of one height and width"
        )
    buffer = io.BytesIO()
    if seeds is not None and len(seeds) != len(readings):
        raise InputImageError(f"{len(readings)} readings came with {len(seeds)} seeds; give the seed of each")
    known: dict[str, Any] = {} if spacing_mm is None else {"spacing_mm": np.array(spacing_mm, np.float64)}
    known |= {} if seeds is None else {"seeds": np.array(seeds, np.uint64)}
    np.savez_compressed(buffer, readings=readings, experts=experts, **known)
    write_output(path, buffer.getvalue())


def save_comparison_csv(
    path: Path,
    *,
    comparison: Comparison,
    sample_areas_mm2: NDArray[np.float64],
    expert_areas_mm2: NDArray[np.float64],
    about: Mapping[str, object] | None = None,
) -> None:
    """Write every sample against every expert as a table, one row per pair, both counted from 1.

    Lines that begin with ``#`` come first (``pandas.read_csv(path, comment="#")`` skips them): the notice, what
    ``about`` says, and the figures of the whole comparison. Then the header
    ``sample,expert,dice,iou,sample_area_mm2,expert_area_mm2`` and S x R rows, the experts of one sample together.

    Args:
        path: Target; replaced if it exists.
        comparison: Agreement of S samples with R experts.
        sample_areas_mm2: Areas of the samples (S,).
        expert_areas_mm2: Areas of the experts' masks (R,).
        about: What else to say, e.g. slice, model, seeds, threshold.

    Raises:
        InputImageError: If areas and comparison are of different sets.
        DataFileError: If the file cannot be written.
    """
    if comparison.iou.shape != (len(sample_areas_mm2), len(expert_areas_mm2)):
        raise InputImageError(
            f"the comparison is of {comparison.iou.shape} (samples, experts), the areas are of {len(sample_areas_mm2)} "
            f"and {len(expert_areas_mm2)}; measure the masks that were compared"
        )
    figures = {
        "ged": comparison.ged,
        "ged_unbiased": comparison.ged_unbiased,
        "mean_dice": comparison.mean_dice,
        "hm_iou": comparison.hm_iou,
    }
    text = _headed({**(about or {}), **figures})
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["sample", "expert", "dice", "iou", "sample_area_mm2", "expert_area_mm2"])
    for i, j in itertools.product(*map(range, comparison.iou.shape)):
        figures_of_pair = (comparison.dice[i, j], comparison.iou[i, j], sample_areas_mm2[i], expert_areas_mm2[j])
        table.writerow([i + 1, j + 1, *map(float, figures_of_pair)])
    write_output(path, text.getvalue().encode())


def save_measures_csv(
    path: Path,
    *,
    names: Sequence[str],
    sizes_mm: NDArray[np.float64],
    about: Mapping[str, object] | None = None,
) -> None:
    """Write the sizes of masks as a table, one row per mask, after lines that begin with ``#`` (see above).

    Args:
        path: Target; replaced if it exists.
        names: Whose mask, e.g. "reading 1" (N).
        sizes_mm: Area in mm², long and short axis in mm (N, 3); 0 for masks that mark nothing.
        about: What else to say, e.g. slice, model, seeds, threshold.

    Raises:
        InputImageError: If names and sizes differ in number.
        DataFileError: If the file cannot be written.
    """
    if sizes_mm.shape != (len(names), 3):
        raise InputImageError(f"there are {len(names)} names and sizes {sizes_mm.shape}; expected (number, 3)")
    text = _headed(about or {})
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["mask", "area_mm2", "long_axis_mm", "short_axis_mm"])
    table.writerows([name, *map(float, row)] for name, row in zip(names, sizes_mm, strict=True))
    write_output(path, text.getvalue().encode())


def _headed(about: Mapping[str, object]) -> io.StringIO:
    """A table's first lines, which are no rows: the notice, and one line for each thing that is said."""
    text = io.StringIO()
    text.write(f"# {NOTICE}\n")
    for key, value in about.items():
        text.write("# " + " ".join(f"{key}: {value}".split()) + "\n")  # one line, whatever the value holds
    return text
