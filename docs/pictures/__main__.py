"""Takes every picture of the viewer's guide, of the real window: `make pictures`, or this folder with names of scenes.

    scripts/with-screen .venv/bin/python docs/pictures [SCENE ...]

Everything that is seen is made up: the bundled sample, or files that are rendered for the occasion. Look at what has
changed before committing it.
"""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from made_up import dicom_series, hdf5
from stage import Stage, photograph_page, stage, wait

from napari_ambiseg.viewer.canvas.maps import Map
from napari_ambiseg.viewer.image.windows import LUNG
from napari_ambiseg.viewer.keeping import forms
from napari_ambiseg.viewer.session import variants

_IMAGES = Path(__file__).resolve().parents[1] / "images"
Opened = Callable[..., AbstractContextManager[Stage]]
"""Opens files, or the bundled sample, in a window that closes after the scene: ``stage``, told where pictures go."""

_DIVIDED = 8  # a bundled slice that is read in several ways


def overview(opened: Opened) -> None:
    """The picture of the first page, and the same in a light window."""
    with opened() as s:
        s.run()
        s.photograph("../viewer")
    with opened(theme="light") as s:
        s.run()
        s.photograph("light")


def opening(opened: Opened) -> None:
    """The list of slices; a CT series."""
    with TemporaryDirectory() as folder:
        with opened([hdf5(Path(folder))]) as s:
            s.panel.form.browse.open()
            s.panel.form.browse.browser.move(150, 110)
            wait(2000)  # until all are counted
            s.photograph("browser")
        with opened([dicom_series(Path(folder), 0)]) as s:
            s.panel.form.windows.apply(LUNG)
            s.photograph("dicom")
            menu = s.panel.form.buttons.menu
            with s.open_menu(menu, s.panel.form.buttons.choose):
                s.photograph("all-slices")
            s.until_ended(lambda: s.panel.ask.run_near(5.0))
            s.show_tab("Runs")
            s.panel.runs_tab.slices_button.click()
            s.photograph("over-slices")


def asking(opened: Opened) -> None:
    """What can be set; several models."""
    with opened() as s:
        form = s.panel.form
        form.settings.findChildren(type(form.fold))[0].fold(False)
        form.settings.region.setValue(48.0)
        s.photograph("asking")
        form.settings.region.choose(None)
        form.settings.model.choose(form.settings.model.name, also=["lidc-prob-unet-mini-64"])
        with s.open_menu(form.settings.model.compare.menu(), form.settings.model.compare):
            s.photograph("several-models")


def looking(opened: Opened) -> None:
    """Maps, a pair, blinded reading, and the tabs."""
    with opened() as s:
        s.show_slice(_DIVIDED)
        s.run()
        reading = s.panel.view.first_drawn
        s.panel.showing.select(reading, 1)
        s.photograph("pair")
        s.panel.showing.select(reading, None)
        for chosen, name in ((Map.CONTOURS, "iso-contours"), (Map.ENTROPY, "entropy"), (Map.CONSENSUS, "consensus")):
            s.panel.results.looking.choose_map(chosen)
            s.photograph(name)
        s.panel.results.looking.choose_map(Map.PROBABILITY)
        s.panel.results.look_box.hide_experts.click()
        s.photograph("blinded")
        s.panel.results.look_box.hide_experts.click()
        gallery = s.panel.results.gallery
        gallery.order_box.setCurrentText("Area")
        for tab, name in (("Gallery", "gallery"), ("Ways", "typical-readings"), ("Sizes", "sizes")):
            s.show_tab(tab)
            s.photograph(name)
        s.show_tab("Gallery")
        gallery.enlarge.click()
        s.photograph("gallery-window")


def playing(opened: Opened) -> None:
    """A step of the reverse diffusion."""
    with opened() as s:
        s.panel.form.settings.steps.value = 20
        s.run()
        s.panel.results.player.options_button.setChecked(True)
        s.panel.results.player.go_to(9)
        s.photograph("playing")


def comparing(opened: Opened) -> None:
    """Runs, and the window that sets them beside each other."""
    with opened() as s:
        s.show_slice(3)
        s.run()
        request = s.panel.result.request
        s.run_again([variants.with_steps(request, 50), variants.with_sampler(request, "ddpm")])
        s.show_tab("Runs")
        s.photograph("runs")
        s.panel.runs_tab.open_comparison()
        s.photograph("comparison")


def keeping(opened: Opened) -> None:
    """A mask of one's own, and all that can be kept."""
    with opened() as s:
        s.run()
        layer = s.panel.keeping.accepting.accept()
        wait()
        layer.brush_size, layer.mode, layer.selected_label = 6, "paint", 1
        rows, columns = layer.data.nonzero()
        layer.paint((rows.mean(), columns.max() + 1), 1)
        s.photograph("accepted")
        menu = s.panel.keeping.menu.menu()
        with s.open_menu(menu, s.panel.keeping.menu):
            s.photograph("keep-menu")
        page = s.scratch / "report.html"
        forms.REPORT.write(s.panel.keeping.kept(), page, lambda *_: None)
        photograph_page(page, s.out / "report.png")


SCENES: dict[str, Callable[[Opened], None]] = {
    scene.__name__: scene for scene in (overview, opening, asking, looking, playing, comparing, keeping)
}


def main() -> None:
    """Take the pictures of some scenes, or of all."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; all without any")
    asked.add_argument("--images", type=Path, default=_IMAGES, help="where the pictures go")
    asked.add_argument("--theme", default="dark", help="of napari, e.g. light, to see how everything looks in it")
    given = asked.parse_args()
    (given.images / "viewer").mkdir(parents=True, exist_ok=True)
    for name in given.scenes or SCENES:
        SCENES[name](partial(stage, given.images / "viewer", theme=given.theme))


if __name__ == "__main__":
    main()
