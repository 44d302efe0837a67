"""The contract between a kind of model and the training loop."""

from torch import Tensor, nn

from trainer.data.batches import Batch


class Objective(nn.Module):
    """A model, together with whatever only its training needs (a posterior, say): called with a batch, its loss.

    All parameters of the objective are trained, averaged and saved with the run; ``model`` alone is what is sampled
    and shipped. Random numbers come from the batch (``t``, ``eps``, ``noise``, ``seeds``), never from a global state.

    Args:
        model: The segmenter.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """The loss, a scalar: the mean over the examples of the batch."""
        raise NotImplementedError
