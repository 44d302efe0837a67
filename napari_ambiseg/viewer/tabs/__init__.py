"""The lower half of the dock, ``results``, and its tabs: table, gallery, ways to read the lesion, sizes, the player."""
