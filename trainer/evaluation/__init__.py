"""Judging a model: how near its readings of a slice come to what the experts drew there.

One evaluation is one ``Protocol`` (model, data, sampling, seed) applied to many slices. It goes through five rooms:

    data ──> reading ──> rows ──> bootstrap ──> report
    slices   measures    JSONL    intervals     JSON, table

- A slice is read through ``napari_ambiseg.engine``, as the viewer and the command line do it, and judged as a whole:
  what an expert drew outside the model's field of view counts as missed.
- N readings are the first N of one larger draw, because reading i depends on (seed, slice, i) alone.
- A figure is the mean over slices; its interval comes from resampling patients, because the slices of one patient are
  alike.
- ``references`` puts the same figures of simple readers (nobody, one expert, ...) on the same slices beside it.
"""
