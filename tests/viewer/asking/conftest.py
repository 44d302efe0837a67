"""What is asked for, without anything that draws it."""


class Unseen:
    """Draws nothing: what is drawn of a run is another room's affair."""

    def begin(self) -> None:
        pass

    def show_running(self, *_) -> None:
        pass

    def refresh(self) -> None:
        pass
