"""What is dropped on napari or comes from its File menu: DICOM, NIfTI, LIDC files, folders of cases, samples."""
