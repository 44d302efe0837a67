"""A study as text: figures, differences, the paper's figures, and what each line costs."""

from collections.abc import Mapping, Sequence

from napari_ambiseg.io.export import NOTICE
from trainer.ablation.folder import StudyRecord
from trainer.ablation.judging import Judging
from trainer.ablation.result import Result
from trainer.evaluation.bootstrap import Difference
from trainer.evaluation.report import difference, interval, seconds_per_slice
from trainer.evaluation.session import Outcome
from trainer.evaluation.tables import grid
from trainer.recipes.paper_results import paper_figures


def table_figures(counts: Sequence[int]) -> list[str]:
    """Names of the figures that lines are compared by, for these numbers of readings."""
    of_each = [name for n in counts for name in (f"ged_{n}", f"dice_{n}")]
    most = max(counts)
    return [*(word for name in of_each for word in (name, f"{name}_pp")), f"ged_unbiased_{most}", f"hm_iou_{most}"]


def figure_names(counts: Sequence[int]) -> list[str]:
    """All that the table shows of a line: those of ``table_figures``, and the share of empty readings."""
    return [*table_figures(counts), f"empty_readings_{max(counts)}"]


def as_markdown(record: StudyRecord, results: Sequence[Result], outcome: Outcome) -> str:
    """A table with a line for every cell, and how it was made.

    Args:
        record: The study.
        results: Its finished lines, at least one.
        outcome: Their figures together.
    """
    judging, first = record.judging, results[0].found
    slices = f"{len(first.rows)} slices of {len(set(outcome.slices.patients))} patients"
    parts = [
        f"**{NOTICE}.** {slices}, {first.protocol.area}; {judging.steps} steps of {judging.sampler} where a model "
        f"takes steps; in brackets 95 % intervals from resampling patients. `pp`: readings below "
        f"{judging.threshold:g} of the largest area emptied. GED: lower is better; Dice, IoU, HM-IoU: higher.",
        _grid(_figure_lines(judging, results, outcome)),
    ]
    if outcome.differences:
        parts += [
            f"Less {first.candidate.label}, on the same slices and seeds (two-sided p, uncorrected for their number):",
            _grid(_difference_lines(judging, outcome.differences)),
        ]
    if paper := _paper_lines(results):
        parts += [
            "The paper reports of these systems, at its own size and length, with pp at r = 0.5:",
            _grid(paper),
        ]
    most = max(judging.readings)
    parts += [
        f"What a line costs. GFLOP are 10^9 operations of convolutions and matrix products: forward and backward of an "
        f"example, of the whole training, and of {most} readings of a slice that are drawn together. Weights are the "
        f"last ones, or those of the best validation GED: of which step, is said. Times are those of the machine that "
        f"did it, beside whatever else it was doing.",
        _grid(_cost_lines(most, results)),
    ]
    if missing := _missing(record, results):
        parts.append(f"Not finished: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _missing(record: StudyRecord, results: Sequence[Result]) -> list[str]:
    finished = {result.cell.name for result in results}
    return [cell.name for cell in record.cells if cell.name not in finished]


def _figure_lines(judging: Judging, results: Sequence[Result], outcome: Outcome) -> list[list[str]]:
    names = figure_names(judging.readings)
    lines = [["", *names]]
    for result in results:
        lines.append([result.cell.name, *(interval(result.found.summary[name]) for name in names)])
    for reader, summary in outcome.references.items():
        lines.append([f"*{reader}*", *(interval(summary[name]) for name in names)])
    return lines


def _difference_lines(judging: Judging, found: Mapping[str, Mapping[str, Difference]]) -> list[list[str]]:
    names = table_figures(judging.readings)
    return [["", *names], *([label, *(difference(one[name]) for name in names)] for label, one in found.items())]


def _paper_lines(results: Sequence[Result]) -> list[list[str]]:
    """The lines that the paper has too, as its recipes or at a smaller scale; empty if there is none."""
    cells = [result.cell for result in results if not result.cell.guidance]
    reported = {cell.name: figures for cell in cells if (figures := paper_figures(cell.config))}
    if not reported:
        return []
    names = list(dict.fromkeys(figure for figures in reported.values() for figure in figures))
    lines = [[f"{one[figure]:.3f}" if figure in one else "" for figure in names] for one in reported.values()]
    return [["", *names], *([name, *line] for name, line in zip(reported, lines, strict=True))]


def _cost_lines(readings: int, results: Sequence[Result]) -> list[list[str]]:
    head = ["", "parameters", "steps", "weights of step", "GFLOP an example", "GFLOP of training", "examples per s"]
    lines = [[*head, f"GFLOP of {readings} readings", f"s for {readings} readings"]]
    for result in results:
        cost, config, pace = result.done.cost, result.cell.config, result.done.examples_per_second
        line = [f"{cost.parameters:,}", f"{config.steps:,}", f"{result.done.step:,}", f"{cost.training_gflop:.3g}"]
        training = cost.training_gflop * config.steps * config.batch_size
        line += [f"{training:,.0f}", "" if pace is None else f"{pace:.3g}"]
        lines.append([result.cell.name, *line, f"{cost.readings_gflop:.3g}", f"{seconds_per_slice(result.found):.2f}"])
    return lines


def _grid(lines: Sequence[Sequence[str]]) -> str:
    return grid(lines[0], lines[1:])
