"""What leaves the viewer and comes back: accepted masks, files of all forms, sessions.

``kept`` takes a record once, ``writing`` makes files of it in the thread of ``keeper``; ``sessions`` and ``restoring``
bring back what was kept. ``accepting`` makes a reading a mask of the user's own.
"""
