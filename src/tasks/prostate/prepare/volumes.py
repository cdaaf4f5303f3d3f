"""Reading volumes and masks that anybody may have written, with a reason for each that is unusable."""

from __future__ import annotations

import gzip
import math
import tempfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK

MAX_VOXELS = 300_000_000
GEOMETRY_TOLERANCE = 0.1
"""How far apart two grids' corners may be, in voxels: NIfTI keeps directions in 32 bits."""

ENDINGS = (".mha", ".nii.gz")

_READERS = {".mha": "MetaImageIO", ".nii.gz": "NiftiImageIO"}
_MHA_HEADER_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_MAX_BYTES = 8 * MAX_VOXELS


class BadVolumeError(Exception):
    """Why a file cannot be used as a volume, as a clause that begins with a verb."""


def read_volume(path: Path) -> SimpleITK.Image:
    """The volume at `path` (.mha or .nii.gz) as float32 of three dimensions, in the file's own geometry.

    Raises BadVolumeError for a file that is missing, damaged, of another kind, or has voxels that are not finite.
    """
    import numpy as np
    import SimpleITK

    volume = SimpleITK.Cast(_read(path), SimpleITK.sitkFloat32)
    voxels = SimpleITK.GetArrayViewFromImage(volume)
    broken = int(voxels.size - np.isfinite(voxels).sum())
    if broken:
        raise BadVolumeError(f"has {broken} voxels that are not finite numbers")
    if voxels.min() == voxels.max():
        raise BadVolumeError("is of one brightness")
    return volume


def read_mask(path: Path, gland_labels: Collection[int], volume: SimpleITK.Image) -> SimpleITK.Image:
    """The mask at `path` as uint8, 1 where its value is one of `gland_labels`, in the geometry of `volume`.

    Raises BadVolumeError where it is no mask, has other values than those and 0, is empty, or lies elsewhere.
    """
    import numpy as np
    import SimpleITK

    mask = _read(path)
    values = np.unique(SimpleITK.GetArrayViewFromImage(mask))
    other = [value for value in values.tolist() if value != 0 and value not in gland_labels]
    if other:
        known = ", ".join(str(label) for label in (0, *gland_labels))
        raise BadVolumeError(f"has a mask with the value {other[0]:g}, which is not among {known}")
    if not values.any():
        raise BadVolumeError("has a mask without any gland")
    difference = geometry_difference(volume, mask)
    if difference:
        raise BadVolumeError(f"has a mask that does not match: {difference}")
    gland = np.isin(SimpleITK.GetArrayViewFromImage(mask), list(gland_labels)).astype(np.uint8)
    image = SimpleITK.GetImageFromArray(gland)
    image.CopyInformation(volume)
    return image


def write_mask(mask: np.ndarray, volume: SimpleITK.Image, path: Path) -> None:
    """Write a mask (D, H, W) with the spacing, direction and origin of `volume`; the file is whole or absent."""
    import numpy as np
    import SimpleITK

    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(volume)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The writers tell formats apart by the whole ending, so the name stays and the folder is another one.
    with tempfile.TemporaryDirectory(prefix=".mask-", dir=path.parent) as folder:
        SimpleITK.WriteImage(image, str(Path(folder) / path.name), useCompression=True)
        (Path(folder) / path.name).replace(path)


def split_ending(name: str) -> tuple[str, str]:
    """The name of a volume's file without its ending, and the ending; the whole name and "" for other files."""
    for ending in ENDINGS:
        if name.endswith(ending):
            return name.removesuffix(ending), ending
    return name, ""


def geometry_difference(volume: SimpleITK.Image, mask: SimpleITK.Image) -> str | None:
    """In what the grid of `mask` differs from that of `volume` in the scanner's space, or None."""
    import numpy as np

    if volume.GetSize() != mask.GetSize():
        sizes = " and ".join(" x ".join(str(n) for n in image.GetSize()) for image in (volume, mask))
        return f"their sizes are {sizes}"
    corners = [[bits >> axis & 1 for axis in range(3)] for bits in range(8)]
    far_mm = 0.0
    for corner in corners:
        index = [(n - 1) * end for n, end in zip(volume.GetSize(), corner, strict=True)]
        one = np.array(volume.TransformIndexToPhysicalPoint(index))
        other = np.array(mask.TransformIndexToPhysicalPoint(index))
        far_mm = max(far_mm, float(np.linalg.norm(one - other)))
    if far_mm > GEOMETRY_TOLERANCE * min(volume.GetSpacing()):
        return f"a corner of it is {far_mm:.2f} mm from the volume's"
    return None


def _read(path: Path) -> SimpleITK.Image:
    import SimpleITK

    ending = split_ending(path.name)[1]
    if not ending:
        raise BadVolumeError("ends neither in .mha nor in .nii.gz")
    try:
        (_check_mha if ending == ".mha" else _check_gzip)(path)
        reader = SimpleITK.ImageFileReader()
        # By name, because the content may claim to be another format, of which some read other files.
        reader.SetImageIO(_READERS[ending])
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        size = reader.GetSize()
        if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
            raise BadVolumeError(
                f"has {reader.GetDimension()} dimensions and {reader.GetNumberOfComponents()} channels"
            )
        if math.prod(size) > MAX_VOXELS:
            raise BadVolumeError(f"has {' x '.join(map(str, size))} voxels, more than {MAX_VOXELS:,}")
        return reader.Execute()
    except FileNotFoundError:
        raise BadVolumeError("does not exist") from None
    except (RuntimeError, OSError, EOFError, zlib.error):
        raise BadVolumeError(f"is truncated, damaged or not a {ending} file") from None


def _check_mha(path: Path) -> None:
    """Raise BadVolumeError unless the voxels are in the file itself: a header may name any file of the machine."""
    with path.open("rb") as file:
        head = file.read(_MHA_HEADER_BYTES)
    for line in head.split(b"\n"):
        key, _, value = line.partition(b"=")
        if key.strip().lower() == b"elementdatafile":
            if value.strip().upper() != b"LOCAL":
                raise BadVolumeError("is a header whose voxels are in another file")
            return
    raise BadVolumeError("is truncated, damaged or not a .mha file")


def _check_gzip(path: Path) -> None:
    """Raise an error unless the file is whole: ITK takes a truncated one for a volume that ends in zeros."""
    n_bytes = 0
    with gzip.open(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            n_bytes += len(chunk)
            if n_bytes > _MAX_BYTES:
                raise BadVolumeError(f"is more than {_MAX_BYTES:,} bytes when unpacked")
