"""The only room that knows napari and Qt: a dock that asks a model for readings and shows them beside the experts'.

From a click to pixels, each arrow a frozen record:

    controls --Settings--> panel <--Chosen-- chosen (layers and the slice that is shown)
    panel --Request--> worker (a thread that drives ``engine.run``) --Result--> view (threshold, agreement) --View--> layers, table

- ``settings``, ``plane``, ``chosen``, ``result``, ``outlines``: plain records and arrays, tested without a window;
- ``layers``: from a result to napari layers, the one place that adds or updates any;
- ``controls``, ``table``, ``player``: widgets that show and edit records and know nothing of each other;
- ``panel``: puts them together; ``app``: a viewer with all of it; ``sources``: files and samples for napari's File menu.

Nothing is imported here: napari imports this package when it looks for plugins.
"""
