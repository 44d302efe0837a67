"""The only room that knows napari and Qt: a dock that asks a model for readings and shows them beside the experts'.

From a click to pixels, each arrow a frozen record:

    form --Settings--> panel <--Plane, Experts-- the viewer's layers
    panel --Request--> worker, a thread that drives ``engine.run`` --Result--> presenter
    presenter --View, at a threshold--> looks --> layers; and --> table

- ``settings``, ``plane``, ``experts``, ``origin``, ``result``, ``outlines``, ``looks``: records and arrays, tested
  without a window;
- ``layers``: the one place that adds or changes layers of results; ``field_of_view``: where the model looks;
- ``choosers``, ``controls``, ``form``, ``table``, ``player``, ``results``: widgets that show and edit records;
- ``accepted``, ``accepting``: masks of the user's own; ``kept``, ``keeping``, ``sessions``, ``restoring``: what leaves
  the viewer and comes back, ``keep_menu``, ``keeping_box``, ``keeper``: how it is asked for, and written meanwhile;
- ``elided``: names that are longer than the dock is wide;
- ``presenter``, ``panel``: put them together; ``app``: a viewer with all of it;
- ``opening``: what is dropped on napari, or comes from its File menu; ``volumes`` (DICOM, NIfTI), ``sources`` and
  ``shown`` (slices and cases with experts, stepped through), ``samples``; ``notices``: what a user must know of them;
- ``slice_browser``, ``slice_table``: all slices of a file; ``windows``, ``window_buttons``: those in which CT is read.

Nothing is imported here: napari imports this package when it looks for plugins.
"""
