"""Where a folder keeps its pictures, and where each expert's masks.

Two ways are known:

    images/NAME.png        experts/ANNA/NAME.png     experts/BO/NAME.png      one folder for each expert
    NAME/image.png         NAME/mask_anna.png        NAME/mask_bo.png         one folder for each picture

A folder of the second way that holds a picture of its own, image.png, is this one picture.
A picture is PNG, TIFF, JPEG (not for masks), NumPy or NIfTI; an expert who has no file for a picture has not read it.
A table ``slices.csv`` beside them may say more, by the columns name, subject, split, nodule; without it the subject is
the name as far as its first ``_`` or ``-``.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.recognise import NIFTI_SUFFIXES

TABLE = "slices.csv"
_MASKS = (".png", ".tif", ".tiff", ".npy", *NIFTI_SUFFIXES)
_IMAGES = (*_MASKS, ".jpg", ".jpeg")
_COLUMNS = {"name", "subject", "split", "nodule"}


@dataclass(frozen=True, slots=True)
class Case:
    """One picture or volume and what belongs to it.

    Attributes:
        name: What the folder calls it.
        image: Its file.
        masks: The file of each expert who read it.
        subject: Whose picture it is.
        split: Where the table puts it; empty where nothing is said.
        nodule: What the table calls its lesion; its own name where nothing is said.
    """

    name: str
    image: Path
    masks: Mapping[str, Path]
    subject: str
    split: str
    nodule: str


@dataclass(slots=True)
class Folder:
    """What was found in a folder, and everything that is wrong with it.

    Attributes:
        cases: The pictures by name.
        experts: Names of all experts.
        problems: One clause each.
        notes: One sentence each.
    """

    cases: list[Case] = field(default_factory=list[Case])
    experts: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


def look_into(folder: Path) -> Folder:
    """Find all pictures of a folder with their masks; no pixel is read.

    Raises:
        DataFileError: If there is no such folder, or it is of neither layout.
    """
    if not folder.is_dir():
        raise DataFileError(f"there is no folder at {folder}; check the path")
    found = Folder()
    if (folder / "images").is_dir():
        images = _files(folder / "images", _IMAGES, found)
        masks = _by_expert(folder / "experts", images, found)
    else:
        images, masks = _by_picture(folder, found)
    if not images:
        raise DataFileError(
            f"{folder} holds no pictures in a known layout; expected images/NAME.png with experts/EXPERT/NAME.png, or "
            "NAME/image.png with NAME/mask_EXPERT.png (PNG, TIFF, NPY, NIfTI)"
        )
    table = _table(folder / TABLE, set(images), found)
    for name, image in images.items():
        if not masks[name]:
            found.problems.append(f"{name} has no mask of any expert")
        row = table.get(name, {})
        subject = row.get("subject") or re.split(r"[_-]", name)[0] or name
        case = Case(name, image, masks[name], subject, row.get("split", ""), row.get("nodule") or name)
        found.cases.append(case)
    found.experts = tuple(sorted({expert for one in masks.values() for expert in one}))
    _note_subjects(found, told=any("subject" in row for row in table.values()))
    return found


def _note_subjects(found: Folder, *, told: bool) -> None:
    found.notes.append(f"experts in this order: {', '.join(found.experts)}")
    if not told:
        subjects = sorted({case.subject for case in found.cases})
        found.notes.append(
            f"the subject is each name before its first _ or -: {len(subjects)} of {len(found.cases)} pictures, "
            f"e.g. {', '.join(subjects[:3])}; a column `subject` in {TABLE} says otherwise"
        )


def looks_like_cases(folder: Path, *, looks: int = 20) -> bool:
    """Whether a folder seems to be of one of the two layouts; only its first entries are looked at."""
    if (folder / "images").is_dir() and (folder / "experts").is_dir():
        return True
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for place in (folder, *below[:looks]):
        files = _files(place, _IMAGES, Folder())
        if "image" in files and any(name.startswith("mask_") for name in files):
            return True
    return False


def stem(path: Path) -> str:
    """The file's name without its suffix; ``.nii.gz`` is one."""
    return path.name[: -len(".nii.gz")] if path.name.lower().endswith(".nii.gz") else path.stem


def _files(folder: Path, suffixes: tuple[str, ...], found: Folder) -> dict[str, Path]:
    """The files of a folder by name; two of one name are a problem."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.lower().endswith(suffixes) or not path.is_file():
            continue
        if stem(path) in files:
            found.problems.append(f"{files[stem(path)].name} and {path.name} in {folder.name} have one name")
        files[stem(path)] = path
    return files


def _by_expert(folder: Path, images: Mapping[str, Path], found: Folder) -> dict[str, dict[str, Path]]:
    masks: dict[str, dict[str, Path]] = {name: {} for name in images}
    if not folder.is_dir():
        found.problems.append("it has images/ but no experts/ beside it")
        return masks
    for expert in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for name, path in _files(expert, _MASKS, found).items():
            if name in masks:
                masks[name][expert.name] = path
            else:
                found.problems.append(f"{expert.name}/{path.name} is a mask of no picture in images/")
    return masks


def _by_picture(folder: Path, found: Folder) -> tuple[dict[str, Path], dict[str, dict[str, Path]]]:
    images, masks = dict[str, Path](), dict[str, dict[str, Path]]()
    own = _files(folder, _IMAGES, Folder())
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for place in [folder] if "image" in own else below:
        files = _files(place, _IMAGES, found)
        drawn = {name: path for name, path in files.items() if name.startswith("mask_")}
        if "image" in files:
            images[place.name] = files["image"]
            masks[place.name] = {name.removeprefix("mask_"): path for name, path in drawn.items()}
            found.problems += [
                f"{place.name}/{path.name} is JPEG, which blurs masks; save it as PNG"
                for path in drawn.values()
                if not path.name.lower().endswith(_MASKS)
            ]
        elif drawn:
            found.problems.append(f"{place.name}/ has masks but no image.png")
    return images, masks


def _table(path: Path, names: set[str], found: Folder) -> dict[str, dict[str, str]]:
    """The rows of the table by name; without a table none."""
    if not path.is_file():
        return {}
    rows: dict[str, dict[str, str]] = {}
    for row in _rows(path):
        name = row.get("name", "")
        if name in rows:
            found.problems.append(f"{path.name} has {name!r} twice")
        rows[name] = row
    for name in sorted(set(rows) - names):
        found.problems.append(f"{path.name} names {name!r}, of which there is no picture")
    for name in sorted(names - set(rows)):
        found.problems.append(f"{name} is not in {path.name}")
    placed = {bool(row.get("split")) for row in rows.values()}
    if len(placed) > 1:
        found.problems.append(f"{path.name} names a split for some pictures and none for others")
    return rows


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            if "name" not in columns or sorted(set(columns) & _COLUMNS) != sorted(columns):
                raise DataFileError(
                    f"{path} has the columns {columns}; expected name, and of subject, split, nodule any"
                )
            for row in reader:
                yield {column: (value or "").strip() for column, value in zip(columns, row.values(), strict=False)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(f"{path} is no readable table ({error}); save it as CSV in UTF-8") from error
