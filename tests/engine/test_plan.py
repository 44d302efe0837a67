import itertools

import pytest

from napari_ambiseg.engine.plan import Phase, plan_iterated, plan_large

CASES = list(itertools.product([1, 2, 3, 7, 15, 16, 17, 100], [1, 2, 3, 8], [1, 2, 4], [False, True]))


def rounds(phase: Phase) -> float:
    """Wall time of a phase in units of one reading on one thread, if sharing a reading between threads were free."""
    if phase.threads > 1:
        return sum(map(len, phase.chunks)) / phase.threads
    ends = [0.0] * phase.workers
    for chunk in phase.chunks:  # the next chunk is the first free worker's
        ends[ends.index(min(ends))] += len(chunk)
    return max(ends)


@pytest.mark.parametrize(("count", "workers", "largest", "together"), CASES)
def test_every_reading_is_in_one_chunk_and_in_order(count: int, workers: int, largest: int, together: bool) -> None:
    phases = plan_iterated(count, workers=workers, largest=largest, together=together)
    assert [number for phase in phases for chunk in phase.chunks for number in chunk] == list(range(count))
    assert all(1 <= len(chunk) <= largest for phase in phases for chunk in phase.chunks)
    assert all(phase.workers * phase.threads <= workers for phase in phases)


@pytest.mark.parametrize(("count", "workers", "largest", "together"), CASES)
def test_a_plan_takes_at_most_the_first_readings_time_more_than_even_shares(
    count: int, workers: int, largest: int, together: bool
) -> None:
    phases = plan_iterated(count, workers=workers, largest=largest, together=together)
    first = 1 / workers if together else largest
    assert sum(map(rounds, phases)) <= -(-count // workers) + first


def test_the_first_reading_has_all_threads_and_so_has_one_that_is_left_over() -> None:
    first, shared, last = plan_iterated(16, workers=2, largest=2, together=True)
    assert first == Phase(1, 2, (range(1),))
    assert last == Phase(1, 2, (range(15, 16),))
    assert [len(chunk) for chunk in shared.chunks] == [2, 2, 2, 2, 2, 2, 1, 1]


def test_on_a_busy_machine_every_worker_begins_with_one_reading() -> None:
    (phase,) = plan_iterated(16, workers=2, largest=4, together=False)
    assert [len(chunk) for chunk in phase.chunks] == [1, 1, 4, 4, 3, 3]
    assert phase.threads == 1


def test_what_is_left_after_a_failure_is_split_at_its_gaps() -> None:
    (phase,) = plan_large([0, 1, 2, 5, 6, 9], workers=1, largest=2)
    assert phase.chunks == (range(2), range(2, 3), range(5, 7), range(9, 10))


def test_a_model_that_asks_its_network_once_gets_one_chunk_for_each_worker() -> None:
    (phase,) = plan_large(range(16), workers=2, largest=16)
    assert phase.chunks == (range(8), range(8, 16))
