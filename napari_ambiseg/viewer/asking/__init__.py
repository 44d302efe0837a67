"""The upper half of the dock, and what becomes of it: a form, a request, a run in a thread of its own."""
