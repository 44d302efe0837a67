"""Files for the pictures, made of rendered slices: an HDF5 file with many of them, and a DICOM series."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.phantom import bundled_slices, render_collection

_SLICES, _APART_MM = 9, 2.5
_DARKEST_HU, _BRIGHTEST_HU = -1000, 400  # of the rendered pictures, roughly
_SHRINKING_PX, _AROUND_PX = 1.5, 4  # from slice to slice; what belongs to the lesion beside the outlines
_ENTROPY = "napari-ambiseg pictures"  # the same identifiers each time


def hdf5(folder: Path) -> Path:
    """Two splits of rendered slices."""
    path = folder / "rendered.h5"
    splits = {"train": render_collection(40, seed=1), "val": render_collection(24, seed=2)}
    write_lidc_hdf5(path, splits)
    return path


def dicom_series(folder: Path, number: int) -> Path:
    """A CT series made of one bundled slice, whose lesion becomes smaller away from the middle of the series."""
    series = folder / "CT series"
    series.mkdir()
    slices = bundled_slices()
    hu = _DARKEST_HU + slices.images[number] / 255.0 * (_BRIGHTEST_HU - _DARKEST_HU)
    marked = slices.readings[number].any(axis=0)
    depth_px = distance_transform_edt(marked) - distance_transform_edt(~marked)  # inside the lesion; negative outside
    lung = np.median(hu)
    rng = np.random.default_rng(0)
    for i in range(_SLICES):
        left = depth_px > abs(i - _SLICES // 2) * _SHRINKING_PX
        pixels = np.where(left | (depth_px < -_AROUND_PX), hu, np.minimum(hu, lung))
        pixels = gaussian_filter(pixels, 0.6) + rng.normal(0, 15, hu.shape)
        _dataset(i, pixels.round().astype(np.int16)).save_as(series / f"{i:03}.dcm", enforce_file_format=True)
    return series


def _dataset(number: int, hu: np.ndarray) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[_ENTROPY, str(number)])
    one = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    one.SeriesInstanceUID, one.StudyInstanceUID = (generate_uid(entropy_srcs=[_ENTROPY, part]) for part in "ab")
    one.FrameOfReferenceUID = generate_uid(entropy_srcs=[_ENTROPY, "c"])
    one.Modality, one.SeriesDescription, one.InstanceNumber = "CT", "Rendered CT", number + 1
    one.PatientName, one.PatientID = "Rendered", "rendered"
    one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, number * _APART_MM], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness = [0.5, 0.5], _APART_MM
    one.Rows, one.Columns = hu.shape
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
    one.RescaleSlope, one.RescaleIntercept, one.RescaleType = 1, 0, "HU"
    one.PixelData = hu.astype("<i2").tobytes()
    return one
