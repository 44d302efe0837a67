"""What a study is made of, where it lies, and that nobody does the same cell twice."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.ablation.finished import finish, finished, weights_of
from trainer.ablation.folder import Judging, StudyRecord, begin, held, read_record, rows_file, run_folder
from trainer.ablation.plot import axis_of
from trainer.ablation.study import STUDIES, cells_of, usual_sampler
from trainer.ablation.work import is_fitted
from trainer.config import DataSource
from trainer.fit import fit, resume
from trainer.loop import start_run
from trainer.recipes import named_recipe
from trainer.validation import Validator

CPU = torch.device("cpu")
TRAINING = DataSource(names=("phantom",))
JUDGING = Judging(data=("phantom",), split="val")


def _cells(*names: str, grid: tuple[str, ...] = (), scale: str | None = "toy", **overrides: object):  # type: ignore[no-untyped-def]
    return cells_of(names, grid=grid, scale=scale, overrides=overrides)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_names_recipes_that_exist(name: str) -> None:
    for scale in (None, "small-64"):
        assert len(_cells(name, scale=scale)) == len(STUDIES[name].lines)


def test_at_the_mini_scale_all_systems_that_sample_are_of_one_size() -> None:
    cells = [*_cells("table1", scale="mini-64"), *_cells("table4", scale="mini-64")]
    sizes = {c.name: sum(p.numel() for p in start_run(c.config, CPU).objective.parameters()) for c in cells}
    drawing = [size for name, size in sizes.items() if not name.startswith(("central-deterministic", "central-mc"))]
    assert 160_000 < min(drawing) <= max(drawing) < 182_500


def test_table_1_has_every_system_of_the_paper_and_the_diffusion_model_first() -> None:
    kinds = [(cell.config.kind, cell.config.latent) for cell in _cells("table1")]
    assert kinds[0][0] == "diffusion"
    assert {latent for kind, latent in kinds if kind == "prob-unet"} == {"aa", "aa-mix", "fc", "fc-mix"}
    assert {kind for kind, _ in kinds} == {"diffusion", "prob-unet", "phiseg", "deterministic", "mc-dropout"}


def test_a_grid_is_every_combination() -> None:
    cells = _cells("central", grid=("weighting=uniform,snr", "input_scale=1,0.1,0.03"))
    assert {(c.config.weighting, c.config.input_scale) for c in cells} == {
        (weighting, scale) for weighting in ("uniform", "snr") for scale in (1.0, 0.1, 0.03)
    }
    assert cells[0].name == "central@toy,weighting=uniform,input_scale=1"
    assert len({cell.name for cell in cells}) == 6


def test_a_study_along_one_number_has_an_axis() -> None:
    assert list((axis_of(_cells("fig7-crop")) or {}).values()) == [-8, -6, -4, -2, 0, 2]
    assert list((axis_of(_cells("fig8-central")) or {}).values()) == [1, 0.6, 0.3, 0.2, 0.1, 0.06, 0.03]
    assert axis_of(_cells("central", grid=("seed=0,1,2",))) == {f"central@toy,seed={n}": n for n in range(3)}


@pytest.mark.parametrize("name", ["table1", "table3-central", "negative"])
def test_a_study_of_words_or_of_several_fields_has_none(name: str) -> None:
    assert axis_of(_cells(name)) is None
    assert axis_of(_cells("central", grid=("weighting=uniform,snr",))) is None
    assert axis_of(_cells("central", grid=("input_scale=1,0.1", "seed=0,1"))) is None


def test_an_override_reaches_every_cell() -> None:
    assert {cell.config.steps for cell in _cells("table1", steps=7, decay_steps=2)} == {7}


@pytest.mark.parametrize(
    ("names", "grid", "words"),
    [
        ((), (), "no study was named; choose table1"),
        (("table9",), (), "unknown recipe 'table9'"),
        (("central",), ("weighting",), "should be FIELD=VALUE"),
        (("central",), ("colour=red",), "colour: Extra inputs"),
        (("central", "central"), (), "named twice"),
    ],
)
def test_what_cannot_be_a_study_is_refused(names: tuple[str, ...], grid: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        _cells(*names, grid=grid)


def test_crops_are_read_with_ddpm_and_do_not_mix_with_the_middle() -> None:
    assert usual_sampler(["table1"]) == usual_sampler(["central"]) == "ddim"
    assert usual_sampler(["table2"]) == usual_sampler(["crop-phiseg"]) == "ddpm"
    with pytest.raises(SettingsError, match="do not belong in one table"):
        usual_sampler(["table1", "crop"])


def test_equal_runs_share_a_folder_whatever_they_are_called(tmp_path: Path) -> None:
    first, guided = (c for c in _cells("negative") if c.guidance in (0.0, 2.0) and "guidance" in c.name)
    assert run_folder(tmp_path, first) == run_folder(tmp_path, guided)
    assert rows_file(tmp_path, first) != rows_file(tmp_path, guided)
    other = _cells("negative", seed=1)[-1]
    assert run_folder(tmp_path, other) != run_folder(tmp_path, guided)
    chosen = [named_recipe(n) for n in ("table3-central-x-truncated-snr", "fig8-central-b=0.1")]
    assert len({config.model_dump_json(exclude={"recipe"}) for config in chosen}) == 1


def test_a_study_comes_back_as_it_was_written_and_no_other_takes_its_folder(tmp_path: Path) -> None:
    record = StudyRecord(cells=_cells("table3-central"), training=TRAINING, judging=JUDGING)
    begin(tmp_path, record)
    assert read_record(tmp_path) == record
    begin(tmp_path, record)
    changed = record.model_copy(update={"judging": JUDGING.model_copy(update={"steps": 3})})
    with pytest.raises(SettingsError, match=r"holds another study \(its judging differ\)"):
        begin(tmp_path, changed)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(DataFileError, match="is damaged"):
        read_record(tmp_path)
    with pytest.raises(DataFileError, match="there is no study"):
        read_record(tmp_path / "elsewhere")


def test_a_cell_is_held_by_one_process_and_let_go_when_it_dies(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "cell"
    code = (
        "import sys, time; from pathlib import Path; from trainer.ablation.folder import held\n"
        f"with held(Path({str(target)!r})) as mine: print(mine, flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "True"
    with held(target) as mine:
        assert not mine
    other.kill()
    other.wait()
    with held(target) as mine:
        assert mine


def test_a_run_that_lacks_its_last_judgement_is_not_fitted_yet(
    discs: SliceCollection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stopped while the last weights were judged: they may yet be the best, which a study then reads.
    (cell,) = _cells("central", grid=("validation.every=2",), steps=2, batch_size=2, grid_px=16)
    with monkeypatch.context() as stopped:
        stopped.setattr(Validator, "judge", lambda *_: None)
        assert fit(cell.config, discs, tmp_path, device=CPU, source=TRAINING).step == 2
    assert not is_fitted(tmp_path, cell.config)
    assert resume(cell.config, discs, tmp_path, device=CPU, source=TRAINING).judged == 2
    assert is_fitted(tmp_path, cell.config)


def test_a_line_is_finished_until_its_weights_or_its_rows_change(discs: SliceCollection, tmp_path: Path) -> None:
    (cell,) = _cells("central", steps=1, batch_size=2, grid_px=16, warmup_steps=0, decay_steps=0)
    assert finished(tmp_path, cell) is None
    fit(cell.config, discs, run_folder(tmp_path, cell), device=CPU, source=TRAINING)
    rows = rows_file(tmp_path, cell)
    rows.parent.mkdir()
    rows.touch()
    finish(tmp_path, cell)
    found = finished(tmp_path, cell)
    assert found is not None
    assert (found.step, found.candidate.kind, found.candidate.grid_px) == (1, "diffusion", 16)

    weights = weights_of(tmp_path, cell)
    kept = weights.read_bytes()
    weights.write_bytes(kept + b"\0")
    assert finished(tmp_path, cell) is None
    weights.write_bytes(kept)
    assert finished(tmp_path, cell) == found
    weights.unlink()
    assert finished(tmp_path, cell) == found
    rows.unlink()
    assert finished(tmp_path, cell) is None
