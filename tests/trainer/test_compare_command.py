"""Models are compared again from kept figures of slices, and files that do not belong together are refused."""

import gzip
from pathlib import Path

import pytest

from trainer.__main__ import main

HEAD = "model,slice,patient,seed,area,sampler,steps,seconds,ged_4,dice_4,notice"
HOW = "whole slice,ddim,10,.1"
OF_A = [f"A,s1,p1,7,{HOW},0.1,0.5,n", f"A,s2,p1,8,{HOW},0.3,,n", f"A,s3,p2,9,{HOW},0.5,0.7,n"]
OF_B = [f"B,s1,p1,7,{HOW},0.2,0.4,n", f"B,s2,p1,8,{HOW},0.4,0.9,n", f"B,s3,p2,9,{HOW},0.6,0.6,n"]


def write(path: Path, lines: list[str], head: str = HEAD) -> Path:
    text = "\n".join([head, *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def table(out: str) -> dict[str, list[list[str]]]:
    """First cell -> the others of every line that begins with it."""
    found: dict[str, list[list[str]]] = {}
    for line in out.splitlines():
        if line.startswith("| "):
            first, *others = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(first, []).append(others)
    return found


def test_means_and_differences_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "slices.csv", OF_A + OF_B)
    assert main(["compare", str(path)]) == 0
    out = capsys.readouterr().out
    assert "3 slices of 2 patients, whole slice" in out
    (of_a,), (of_b, less) = table(out)["A"], table(out)["B"]
    # A resample is patient 1 twice (mean of its slices), both, or patient 2 twice.
    assert of_a == ["0.300 [0.200, 0.500]", "0.600 [0.500, 0.700]"]
    assert of_b[0] == "0.400 [0.300, 0.600]"
    # B lies .1 above A on every slice; Dice counts where both define it.
    assert less[0].startswith("+0.100 [+0.100, +0.100] p 0.001")
    assert less[1].startswith("-0.100 [-0.100, -0.100]")


def test_files_are_put_together_compressed_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    together, a, b = (
        write(tmp_path / name, lines)
        for name, lines in (("both.csv", OF_B + OF_A), ("a.csv", OF_A), ("b.csv.gz", OF_B))
    )
    said = []
    for files in ([together], [b, a], [b, a, together]):
        assert main(["compare", *map(str, files), "--to", "A", "--only", "ged_4"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2]
    assert [len(cells) for lines in table(said[0]).values() for cells in lines] == [1] * 7


def test_models_of_other_samplers_may_be_compared(tmp_path: Path) -> None:
    other = [line.replace("ddim,10", "ddpm,20") for line in OF_B]
    assert main(["compare", str(write(tmp_path / "slices.csv", OF_A + other))]) == 0


def test_a_model_with_and_without_specks_is_two_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = HEAD.replace("steps,seconds", "steps,smallest_px,seconds")
    every = [line.replace("ddim,10,", "ddim,10,0,") for line in OF_A]
    from_8 = [line.replace("ddim,10,", "ddim,10,8,").replace("B,", "A,") for line in OF_B]
    one, other = write(tmp_path / "0.csv", every, head), write(tmp_path / "8.csv", from_8, head)
    for files in ([one, other], [write(tmp_path / "both.csv", every + from_8, head)]):
        assert main(["compare", *map(str, files), "--to", "A, from 8 pixels on"]) == 0
        found = table(capsys.readouterr().out)
        assert {name for name in found if name.startswith("A")} == {"A, every speck", "A, from 8 pixels on"}
        assert found["A, every speck"][1][0].startswith("-0.100 [-0.100, -0.100]")
    assert main(["compare", str(other)]) == 0
    assert "| A |" in capsys.readouterr().out


def test_a_file_that_tells_no_smallest_size_is_no_other_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = HEAD.replace("steps,seconds", "steps,smallest_px,seconds")
    told = write(tmp_path / "told.csv", [line.replace("ddim,10,", "ddim,10,8,") for line in OF_A], head)
    assert main(["compare", str(write(tmp_path / "old.csv", OF_A)), str(told)]) == 0
    assert {name for name in table(capsys.readouterr().out) if name.startswith("A")} == {"A"}


def test_models_without_a_common_figure_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / "4.csv", OF_A), write(tmp_path / "8.csv", OF_B, HEAD.replace("_4", "_8"))]
    assert main(["compare", *map(str, files)]) == 2
    assert "A, B have no figure in common" in capsys.readouterr().err


def test_one_model_alone_has_no_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(write(tmp_path / "a.csv", OF_A))]) == 0
    assert "Less" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("second", "options", "words"),
    [
        (OF_B[:2], (), "B was judged on other slices than A, or with another seed or crop (2 and 3 slices)"),
        ([line.replace("s2", "s9") for line in OF_B], (), "(s9 and s2)"),
        ([line.replace(",8,", ",18,") for line in OF_B], (), "(18 and 8)"),
        ([line.replace("whole slice", "central crop") for line in OF_B], (), "(central crop and whole slice)"),
        ([line.replace("0.3", "0.31") for line in OF_A], (), "two models are called A and differ"),
        (OF_A[:2], (), "two models are called A and differ"),
        (OF_B, ("--to", "C"), "there is no model 'C'; choose A, B"),
        (OF_B, ("--only", "iou_4"), "there is no figure 'iou_4'; choose ged_4, dice_4"),
        ([OF_B[0].replace("0.4", "much")], (), "is damaged (could not convert string"),
        (["B,s1,p1"], (), "is damaged (a line ends early)"),
        ([], (), "has no line"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    second: list[str], options: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write(tmp_path / "first.csv", OF_A), write(tmp_path / "second.csv", second)]
    assert main(["compare", *map(str, files), *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "cannot be read"),
        ("torn.csv.gz", gzip.compress((HEAD + "\n" + "\n".join(OF_A)).encode())[:-20], "cannot be read"),
        ("plain.csv.gz", HEAD.encode(), "cannot be read"),
        ("picture.csv", b"\x89PNG\xff\xfe", "cannot be read"),
        ("other.csv", b"a,b\n1,2\n", "has no columns model, slice, patient"),
        ("empty.csv", b"", "has no columns model, slice, patient"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(
    name: str, content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["compare", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
