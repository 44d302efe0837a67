"""The only part that knows napari and Qt: a dock that asks a model for readings and shows them beside the experts'.

From a click to pixels, each arrow a frozen record:

    asking --Settings--> panel <--Plane, Experts-- image
    panel --Request--> a thread that drives ``engine.run`` --Result--> session
    session --View, at a threshold--> canvas, tabs, gallery, comparing --> keeping

``panel`` is the dock and puts the rooms together; ``app`` is a viewer with all of it. A room may use those that stand
below it: keeping and comparing, then tabs and asking, gallery and opening, canvas, session, widgets, image.

Nothing is imported here: napari imports this package when it looks for plugins.
"""
