"""A phantom: CT-like slices rendered around lesions, with the outlines that four radiologists really drew.

For trying the software, and for its tests, without any download. The outlines are from LIDC-IDRI (CC BY 3.0, see
LICENSE-LIDC.md in this folder); the pixels are computer-made, and whoever shows them must say so.
"""

from napari_ambiseg.phantom.render import BUNDLED, bundled_slices, render_collection

__all__ = ["BUNDLED", "bundled_slices", "render_collection"]
