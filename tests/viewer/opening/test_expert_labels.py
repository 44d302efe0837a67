"""One layer with several labels may be several experts, if the user says so; a copy of an expert's layer is none."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.asking.choosers import BY_LABEL, ExpertsChooser
from napari_ambiseg.viewer.image.experts import (
    MOST_LABELS,
    detected,
    expert_masks,
    has_labels,
    is_by_label,
    set_by_label,
)
from napari_ambiseg.viewer.opening import sources

VOLUME = np.zeros((3, 8, 8), np.uint8)
VOLUME[0, 0:3, 0:3], VOLUME[0, 5:7, 5:7], VOLUME[1, 2:4, 2:4] = 1, 2, 5


@pytest.fixture
def image() -> Image:
    return Image(np.random.default_rng(0).random((3, 8, 8)))


def test_all_labels_of_a_layer_are_one_expert_unless_said_otherwise(image: Image) -> None:
    layer = Labels(VOLUME, name="all")
    assert has_labels(layer)
    masks = expert_masks([layer], image, (0,)).masks
    np.testing.assert_array_equal(masks, VOLUME[:1] > 0)


def test_each_label_is_an_expert_also_where_it_is_not_drawn(image: Image) -> None:
    layer = Labels(VOLUME, name="all")
    set_by_label(layer, True)
    found = expert_masks([layer], image, (0,))
    assert found.names == ("all, label 1", "all, label 2", "all, label 5")
    np.testing.assert_array_equal(found.masks, np.stack([VOLUME[0] == label for label in (1, 2, 5)]))
    layer.data[0, 7, 7] = 7  # drawn since
    assert expert_masks([layer], image, (0,)).names[-1] == "all, label 7"
    set_by_label(layer, False)
    assert expert_masks([layer], image, (0,)).names == ("all",)


def test_a_mask_of_one_value_has_no_labels_to_tell_apart() -> None:
    assert not has_labels(Labels((VOLUME == 5).astype(np.uint8) * 255))
    assert not has_labels(Labels(np.zeros((4, 4), np.uint8)))


def test_many_labels_are_no_experts() -> None:
    many = Labels(np.arange(MOST_LABELS + 2, dtype=np.uint8)[None])
    with pytest.raises(InputImageError, match=f"at most {MOST_LABELS}"):
        set_by_label(many, True)
    assert not is_by_label(many)


def test_the_menu_offers_it_for_chosen_layers_with_several_labels(image: Image, qtbot: QtBot) -> None:
    viewer = ViewerModel()
    viewer.add_layer(image)
    several, single = viewer.add_labels(VOLUME, name="several"), viewer.add_labels(VOLUME // 5, name="single")
    chooser = ExpertsChooser(viewer)
    qtbot.addWidget(chooser)
    chooser.refresh(image)

    def shown() -> list[str]:
        chooser.menu().aboutToShow.emit()
        return [action.text() for action in chooser.menu().actions()]

    assert shown() == ["several", "single"]
    chooser.choose([several, single])
    assert shown() == ["several", BY_LABEL, "single"]
    with qtbot.waitSignal(chooser.experts_changed):
        chooser.menu().actions()[1].trigger()
    assert is_by_label(several)
    assert shown() == ["several", BY_LABEL, "single"]
    assert chooser.menu().actions()[1].isChecked()
    chooser.menu().actions()[1].trigger()
    assert not is_by_label(several)


def test_a_copy_of_an_experts_layer_is_no_further_expert() -> None:
    viewer = ViewerModel()
    for data, options, kind in sources.bundled_sample():
        getattr(viewer, f"add_{kind}")(data, **options)
    image = viewer.layers[0]
    assert isinstance(image, Image)
    experts = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    copy = Labels.create(*experts[1].as_layer_data_tuple())
    assert isinstance(copy, Labels)
    assert detected([*experts, copy], image) == experts
    assert detected([experts[0], copy], image) == [experts[0], copy]  # the first of its kind counts
