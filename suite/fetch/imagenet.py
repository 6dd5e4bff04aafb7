"""ImageNet's archives, which a person has to download, unpacked to `{train,val}/<wnid>/*.JPEG`.

The training archive holds a tar for each class. The validation archive is flat; its labels stand in the development
kit, as ILSVRC ids, which `meta.mat` translates: they are not the ranks of the wnids.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

from scipy.io import loadmat

from suite.errors import FetchError
from suite.fetch.archives import members, of_tar, refused, safe, unpacking_folder, write
from suite.fetch.remote import bar
from suite.fetch.space import require_space

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
NEEDED = {TRAIN: (TRAIN,), VAL: (VAL, DEVKIT)}
"""The files from which the archive of that name is unpacked."""
_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_META = "data/meta.mat"


def unpack_train(archive: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Unpack a tar of tars, a folder for each.

    Args:
        archive: ILSVRC2012_img_train.tar.
        target: the folder to be made.
        check: is given the unpacked folder, and raises if it is not what it should be.

    Raises:
        FetchError: the archive is damaged or holds something else, or `target` is there already.
        StorageError: the disk is or would be full.
    """
    require_space(archive.parent, archive.stat().st_size, f"unpacking {archive.name}")
    with unpacking_folder(archive, target) as folder:
        with archive.open("rb") as raw, bar(f"unpacking {archive.name}", archive.stat().st_size) as progress:
            for member in members(raw):
                name = safe(archive, member)
                if not re.fullmatch(r"n\d{8}\.tar", name.name):
                    raise refused(archive, f"expected a tar for each class (n01440764.tar, ...), got {member.name!r}")
                with member.open() as stream, tarfile.open(fileobj=stream, mode="r|") as images:
                    for image in images:
                        entry = of_tar(images, image)
                        write(archive, entry, folder / name.stem / safe(archive, entry).name)
                progress.update(max(raw.tell() - progress.n, 0))
        check(folder)


def unpack_val(archive: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Unpack the validation images into a folder for each class; the development kit must lie beside the archive.

    Args:
        archive: ILSVRC2012_img_val.tar.
        target: see `unpack_train`.
        check: see `unpack_train`.

    Raises:
        FetchError: see `unpack_train`; or an image has no label.
        StorageError: the disk is or would be full.
    """
    wnids = validation_wnids(archive.with_name(DEVKIT))
    require_space(archive.parent, archive.stat().st_size, f"unpacking {archive.name}")
    with unpacking_folder(archive, target) as folder:
        with archive.open("rb") as raw, bar(f"unpacking {archive.name}", archive.stat().st_size) as progress:
            for member in members(raw):
                name = safe(archive, member).name
                number = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.JPEG", name)
                if not number or not 1 <= int(number[1]) <= len(wnids):
                    raise refused(
                        archive, f"expected images 1 to {len(wnids)} (ILSVRC2012_val_...), got {member.name!r}"
                    )
                write(archive, member, folder / wnids[int(number[1]) - 1] / name)
                progress.update(max(raw.tell() - progress.n, 0))
        check(folder)


def validation_wnids(devkit: Path) -> list[str]:
    """Return the class (wnid) of each validation image, in the order of their numbers.

    Raises:
        FetchError: the development kit is missing, damaged or holds something else.
    """
    if not devkit.is_file():
        raise FetchError(f"{devkit}: expected the development kit, which holds the labels, got nothing; put it there")
    contents: dict[str, bytes] = {}
    try:
        with devkit.open("rb") as raw:
            for member in members(raw):
                key = "/".join(safe(devkit, member).parts[-2:])
                if key in {_TRUTH, _META}:
                    with member.open() as stream:
                        contents[key] = stream.read()
        synsets = loadmat(io.BytesIO(contents[_META]), squeeze_me=True)["synsets"]
        # inner nodes of the hierarchy have ids too
        leaves = synsets[synsets["num_children"] == 0]
        of_id = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
        return [of_id[int(line)] for line in contents[_TRUTH].split()]
    except FetchError:
        raise
    except Exception as error:  # damaged bytes can fail in any way at all
        raise refused(devkit, f"expected {_TRUTH} and {_META} in it ({type(error).__name__}: {error})") from error


UNPACK = {TRAIN: unpack_train, VAL: unpack_val}
"""Function that unpacks each archive, by its name."""
