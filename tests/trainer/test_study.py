"""What a study is made of, where it lies, and that nobody does the same cell twice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.ablation.finished import finish, finished, finished_cells
from trainer.ablation.folder import StudyRecord, begin, held, read_record, rows_file, run_folder
from trainer.ablation.judging import Judging
from trainer.ablation.plot import axis_of
from trainer.ablation.study import STUDIES, cells_of, usual_sampler
from trainer.ablation.work import is_fitted
from trainer.config import DataSource
from trainer.fit import fit, resume
from trainer.loop import start_run
from trainer.recipes import named_recipe
from trainer.recipes.paper_results import paper_figures
from trainer.run_folder import LOG_FILE
from trainer.validation import Validator

CPU = torch.device("cpu")
TRAINING = DataSource(names=("phantom",))
JUDGING = Judging(data=("phantom",), split="val")
PHANTOM = Judging(data=("phantom:4",), split="val", readings=(2,), steps=1)


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
    assert _axis("fig7-crop") == ("weighting", [-4, -8, -6, -2, 0, 2])
    assert _axis("fig8-central") == ("input_scale", [0.1, 1, 0.6, 0.3, 0.2, 0.06, 0.03])
    assert _axis("central", "seed=0,1,2") == ("seed", [0, 1, 2])
    assert _axis("central", "augment.flip=0,0.5") == ("augment.flip", [0, 0.5])


def _axis(name: str, *grid: str) -> tuple[str, list[float]] | None:
    found = axis_of(_cells(name, grid=grid))
    return found and (found[0], list(found[1].values()))


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("table1", ()),
        ("table3-central", ()),
        ("negative", ()),
        ("central", ("weighting=uniform,snr",)),
        ("central", ("input_scale=1,0.1", "seed=0,1")),
        ("central", ("augment.flip=0,0.5", "seed=0,1")),
    ],
)
def test_a_study_of_words_or_of_several_fields_has_none(name: str, grid: tuple[str, ...]) -> None:
    assert _axis(name, *grid) is None


def test_the_lines_of_an_ablation_are_compared_with_the_papers_own_choice() -> None:
    firsts = {name: _cells(name, scale=None)[0].name for name in STUDIES}
    assert firsts.pop("fig7-central").endswith("bias=-4")
    assert firsts.pop("fig7-crop").endswith("bias=-4")
    assert set(firsts.values()) == {
        "central", "table3-central-x-truncated-snr", "fig8-central-b=0.1", "table4-diffusion-on-unet",
        "crop", "table3-crop-x-truncated-snr", "fig8-crop-b=0.1",
    }  # fmt: skip


@pytest.mark.parametrize("scale", [None, "mini-64"])
def test_the_papers_figures_stand_beside_its_own_systems(scale: str | None) -> None:
    table_1, table_2 = (_cells(name, scale=scale) for name in ("table1", "table2"))
    reported = [paper_figures(cell.config) for cell in table_1]
    assert [one is None for one in reported] == [False] * 6 + [True] * 2  # two that the paper does not have
    assert reported[0] == {
        "ged_4": 0.330, "ged_4_pp": 0.304, "dice_4": 0.488, "dice_4_pp": 0.507, "ged_16": 0.233, "dice_16": 0.486
    }  # fmt: skip
    assert (paper_figures(table_2[5].config) or {})["ged_4_pp"] == 0.534  # PHiSeg on crops


def test_every_line_of_the_papers_tables_3_and_4_has_its_figures() -> None:
    found = {
        cell.name: paper_figures(cell.config)
        for name in ("table3-central", "table3-crop", "table4")
        for cell in _cells(name, scale=None, steps=7, decay_steps=2)  # a shorter run is of the same system
    }
    assert len(found) == 12 + 12 + 10
    assert all(found.values())
    assert found["table3-crop-v-uniform"] == {"ged_4": 0.427, "dice_4": 0.427}
    assert found["table3-central-eps-truncated-snr"] == {"ged_4": 1.135, "dice_4": 0.011}
    assert found["table4-prob-unet-fc-on-unet"] == {"ged_4_pp": 0.338, "dice_4_pp": 0.470}


def test_the_papers_figures_do_not_stand_beside_anything_else() -> None:
    changed = [
        *_cells("central", grid=("prediction=x,eps",)),
        *_cells("central", learning_rate=1e-3),
        *_cells("fig8-central"),
        *_cells("lidc-small-64", scale=None),
    ]
    assert [paper_figures(cell.config) for cell in changed] == [None] * len(changed)


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
    assert {usual_sampler(_cells(name)) for name in ("table1", "central", "negative", "fig7-central")} == {"ddim"}
    assert {usual_sampler(_cells(name)) for name in ("table2", "crop-phiseg", "fig8-crop")} == {"ddpm"}
    assert usual_sampler(_cells("central", crop="uniform")) == "ddpm"


@pytest.mark.parametrize(
    ("names", "grid", "words"),
    [
        (("table1", "crop"), (), "crop@toy on uniform crops of 64 pixels would be judged"),
        (("central",), ("crop=central,uniform",), "whole slices and central@toy,crop=uniform on uniform crops"),
        (("crop",), ("grid_px=16,32",), "on uniform crops of 16 pixels and .* on uniform crops of 32 pixels"),
    ],
)
def test_lines_of_different_parts_of_a_slice_do_not_make_a_table(
    names: tuple[str, ...], grid: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        _cells(*names, grid=grid)


def test_equal_runs_share_a_folder_whatever_they_are_called(tmp_path: Path) -> None:
    first, guided = (c for c in _cells("negative") if c.guidance in (0.0, 2.0) and "guidance" in c.name)
    assert run_folder(tmp_path, first) == run_folder(tmp_path, guided)
    assert rows_file(tmp_path, first) != rows_file(tmp_path, guided)
    other = _cells("negative", seed=1)[-1]
    assert run_folder(tmp_path, other) != run_folder(tmp_path, guided)
    chosen = [named_recipe(n) for n in ("table3-central-x-truncated-snr", "fig8-central-b=0.1")]
    assert len({config.model_dump_json(exclude={"recipe"}) for config in chosen}) == 1


def test_the_folder_of_a_run_keeps_its_name_when_settings_are_added(tmp_path: Path) -> None:
    """Finished runs are found by this name; it may change only when what a recipe trains does."""
    assert run_folder(tmp_path, _cells("central")[0]).name == "diffusion-5f2c0001a89b"


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


def test_a_finished_line_stays_finished_whatever_becomes_of_its_run(discs: SliceCollection, tmp_path: Path) -> None:
    cells = _cells("central", steps=1, batch_size=2, grid_px=16, warmup_steps=0, decay_steps=0)
    record, (cell,) = StudyRecord(cells=cells, training=TRAINING, judging=PHANTOM), cells
    assert finished(tmp_path, cell) is None
    run, rows = run_folder(tmp_path, cell), rows_file(tmp_path, cell)
    fit(cell.config, discs, run, device=CPU, source=TRAINING)
    rows.parent.mkdir()
    rows.touch()
    done = finish(tmp_path, record, cell)
    assert (done.step, done.candidate.kind, done.candidate.grid_px) == (1, "diffusion", 16)
    assert record.judging.request(cell, done.candidate.weights, keep=rows).options.steps == PHANTOM.steps
    shutil.rmtree(run)
    assert finished_cells(tmp_path, cells) == {cell: done}
    rows.unlink()
    assert finished(tmp_path, cell) is None


def test_the_pace_of_a_torn_log_is_that_of_its_whole_lines(discs: SliceCollection, tmp_path: Path) -> None:
    cells = _cells("central", grid=("log_steps=1",), steps=3, batch_size=2, grid_px=16, warmup_steps=0, decay_steps=0)
    record, (cell,) = StudyRecord(cells=cells, training=TRAINING, judging=PHANTOM), cells
    run = run_folder(tmp_path, cell)
    fit(cell.config, discs, run, device=CPU, source=TRAINING)
    log = run / LOG_FILE
    log.write_text(log.read_text()[:-9])
    assert (finish(tmp_path, record, cell).examples_per_second or 0) > 0
    log.unlink()
    assert finish(tmp_path, record, cell).examples_per_second is None


def test_a_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    (cell,) = _cells("central")
    rows = rows_file(tmp_path, cell)
    rows.parent.mkdir()
    rows.touch()
    rows.with_suffix(".json").write_text("{")
    with pytest.raises(DataFileError, match=r"is damaged .*; delete it"):
        finished(tmp_path, cell)
