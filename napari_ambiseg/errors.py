"""Errors that a user can act on: each message names the value, what was expected, and what to do next.

They are all ``ValueError``s, so that a script may catch them without knowing this package. The command lines turn them
into one line and exit code 2; the viewer turns them into a notification. Anything else that is raised is a bug.
"""


class AmbisegError(ValueError):
    """Base class of every error that is the input's fault rather than the program's."""


class InputImageError(AmbisegError):
    """The image (or its experts' masks) cannot be read by a model: RGB, wrong size, NaN, constant, ..."""


class DataFileError(AmbisegError):
    """A file is missing, damaged, or not of the layout that its reader expects."""


class CheckpointError(AmbisegError):
    """A model file is missing, truncated, altered, or of another format or version."""


class SettingsError(AmbisegError):
    """A setting (steps, sampler, number of readings, ...) is outside its allowed range."""


class ComputeError(AmbisegError):
    """The machine could not finish the work, e.g. it ran out of memory."""


class EngineError(ComputeError):
    """An engine (ONNX Runtime, CUDA graphs, ...) cannot compute a model here; another one can take over."""
