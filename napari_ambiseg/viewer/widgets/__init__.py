"""Widgets that know nothing of readings, the keys of the dock, and its foot."""
