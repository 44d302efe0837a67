"""Sampled readings of a lesion beside the experts' own: the package root.

Importing this package is cheap on purpose: napari imports it when it starts, so neither torch nor Qt nor napari
is loaded here. Take what you need from the rooms: ``napari_ambiseg.diffusion``, ``.models``, ``.readings``, ``.io``,
``.engine`` and ``.viewer``.
"""

__version__ = "0.1.0"
