"""Files in, files out: data sets of slices with their readers' masks, and what a session of reading leaves behind.

A file is a guest: its declared sizes, links and values are checked before they are believed, nothing in it is executed,
and what is wrong with it is said in one sentence (``DataFileError``). Files that are written replace their target in
one step.
"""
