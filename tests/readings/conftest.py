"""Hypothesis on a busy machine: an example may take as long as it takes."""

from hypothesis import settings

settings.register_profile("readings", deadline=None, max_examples=60)
settings.load_profile("readings")
