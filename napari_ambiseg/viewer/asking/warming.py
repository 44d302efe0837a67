"""Makes model and engine ready in a thread of its own while the window opens: the first reading comes sooner."""

from threading import Thread

from napari_ambiseg import engine
from napari_ambiseg.viewer.session.settings import Settings


def warm_up(settings: Settings) -> Thread:
    """Begin to make ready what a run with these settings needs; what goes wrong, the run will say.

    Returns:
        The thread; the program waits for its end when it ends itself.
    """
    thread = Thread(target=_make_ready, args=(settings,), name="warming")
    thread.start()
    return thread


def _make_ready(settings: Settings) -> None:
    try:
        engine.make_ready(settings.model, device=settings.device, engine=settings.engine)
    except Exception:  # noqa: BLE001 (nobody waits for it: the run meets the same, and says so where it is seen)
        return
