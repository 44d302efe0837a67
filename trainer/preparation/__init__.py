"""From what people have (public files, CT archives, folders of pictures) to one file in the layout that training reads.

Every source is read into a ``Part`` (slices, their heights, the split that the source names for each), all parts are
joined, slices without a split are dealt out by patient, and the whole is written in one step:

- ``part``: the record, joining, the list of all that is wrong with a source;
- ``sources``: which reader a source gets, and the settings of all readers;
- ``public_files``, ``pickle_machine``: the public HDF5 and pickle of LIDC-IDRI;
- ``lidc``: CT in DICOM with the outlines of the annotation database;
- ``folder``, ``framing``: pictures with one mask per expert, in the folders that ``io.case_layout`` knows;
- ``splitting``: train, val and test by patient;
- ``summary``, ``contact_sheet``: what the file holds, in figures and to look at.

Legend: N slices, R readers (experts), H x W pixels.
"""
