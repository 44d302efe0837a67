"""Sphinx configuration: pages in Markdown, equations by MathJax, one theme. `make docs` builds it."""

import re
from pathlib import Path

project = "napari-ambiseg"
author = "The napari-ambiseg developers"
project_copyright = "2026, the napari-ambiseg developers"
# Read, not imported: the handbook builds without the package's requirements.
_init = (Path(__file__).parents[1] / "napari_ambiseg" / "__init__.py").read_text()
_match = re.search(r'__version__ = "(.+)"', _init)
assert _match is not None
release = _match[1]

extensions = ["myst_parser"]
myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "performance/table.md", "results/tables/*"]  # the first is included by a page
nitpicky = True

html_theme = "furo"
html_title = f"napari-ambiseg {release}"
