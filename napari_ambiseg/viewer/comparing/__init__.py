"""Runs beside each other: the tab that lists them, the comparison on the same seeds, a lesion slice by slice."""
