"""Fits and judges the models that napari-ambiseg samples. Run it as ``python -m trainer``.

It imports the numerical core only: neither Qt nor napari.
"""
