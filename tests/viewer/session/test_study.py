from collections.abc import Callable
from dataclasses import replace
from threading import Event

import numpy as np
from napari.layers import Image
from pytestqt.qtbot import QtBot

from napari_ambiseg.viewer.asking.worker import News, draw
from napari_ambiseg.viewer.image.where import where_of
from napari_ambiseg.viewer.session.result import Result
from napari_ambiseg.viewer.session.study import Study


def test_results_are_found_by_their_slice(qtbot: QtBot, make_result: Callable[..., Result]) -> None:
    image = Image(np.random.default_rng(0).random((3, 64, 64), dtype=np.float32), scale=(1, 0.5, 0.5))
    first, second, again = (make_result(layer=image, point=(z, 0, 0), readings=2) for z in (0.0, 1.0, 0.0))
    study = Study()
    for result in (first, second, again):
        with qtbot.waitSignal(study.changed):
            study.add(result)
    assert study.of(where_of(image, (0,))) == (first, again)
    assert study.of(where_of(image, (1,))) == (second,)
    assert study.of(where_of(image, (2,))) == ()
    study.remove(first)
    assert study.results == (second, again)


def drawn(news: News) -> bool:
    return isinstance(news, Result)


def test_more_readings_are_the_same_as_if_all_had_been_asked_for_at_once(make_result: Callable[..., Result]) -> None:
    four, eight = make_result(readings=4), make_result(readings=8)
    asked = replace(four.request, settings=replace(four.request.settings, readings=8), before=four.sampled)
    news = list(draw([asked], Event()))
    assert sum(len(one.readings) for one in news if hasattr(one, "step") and one.step == one.total) == 4
    (more,) = filter(drawn, news)
    assert more.sampled.seeds == eight.sampled.seeds
    np.testing.assert_array_equal(more.sampled.readings, eight.sampled.readings)
    np.testing.assert_allclose(more.sampled.x_t, eight.sampled.x_t, atol=1e-5)
    study = Study()
    study.add(four)
    study.add(more)
    assert study.results == (more,)  # it goes on from the other, and takes its place


def test_requests_are_fulfilled_one_after_the_other(make_result: Callable[..., Result]) -> None:
    requests = [make_result(readings=2).request for _ in range(2)]
    kinds = [type(one).__name__ for one in draw(requests, Event())]
    begun = [i for i, kind in enumerate(kinds) if kind == "Request"]
    done = [i for i, kind in enumerate(kinds) if kind == "Result"]
    assert begun[0] < done[0] < begun[1] < done[1] == len(kinds) - 1


def test_a_batch_that_is_stopped_computes_nothing_more_and_brings_nothing(make_result: Callable[..., Result]) -> None:
    stop = Event()
    told: list[News] = []
    for news in draw([make_result(readings=2).request for _ in range(2)], stop):
        told.append(news)
        stop.set()
    assert not any(map(drawn, told))
    assert len(told) == 1  # the request that was begun
