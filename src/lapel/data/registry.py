"""The datasets Lapel knows by name: their files, checksums, mirrors, classes, licence and home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..errors import DataError, ModelError, did_you_mean
from ..picture import PictureSpec

FASHION_MNIST = "fashion-mnist"
SYNTHETIC = "synthetic"

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class DataFile:
    """One published file: its name, its size in bytes and its SHA-256, packed (.gz) and unpacked."""

    name: str
    bytes: int
    sha256: str
    unpacked_sha256: str

    @property
    def unpacked_name(self) -> str:
        """The name without .gz."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class Known:
    """A dataset with a name. `files` is empty where Lapel makes the pictures itself."""

    name: str
    about: str
    class_names: tuple[str, ...]
    licence: str
    home: str
    files: tuple[DataFile, ...] = ()
    mirrors: tuple[str, ...] = ()
    torchvision: str = ""  # the folder in which torchvision keeps these files

    def to_json(self) -> dict[str, Any]:
        """What `lapel data list --json` says of it."""
        return {
            "name": self.name,
            "about": self.about,
            "classes": list(self.class_names),
            "licence": self.licence,
            "home": self.home,
            "bytes": sum(file.bytes for file in self.files),
        }


def _idx_files(*facts: tuple[int, str, str]) -> tuple[DataFile, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(DataFile(f"{name}-ubyte.gz", *fact) for name, fact in zip(names, facts, strict=True))


CATALOG: dict[str, Known] = {
    known.name: known
    for known in (
        Known(
            name=FASHION_MNIST,
            about="60,000 + 10,000 grey 28×28 pictures of clothing from a shop",
            class_names=FASHION_CLASSES,
            licence="MIT, © 2017 Zalando SE",
            home="https://github.com/zalandoresearch/fashion-mnist",
            files=_idx_files(
                (
                    26421880,
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                ),
                (
                    29515,
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                ),
                (
                    4422102,
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                ),
                (
                    5148,
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
            ),
            mirrors=(
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            ),
            torchvision="FashionMNIST/raw",
        ),
        Known(
            name="mnist",
            about="60,000 + 10,000 grey 28×28 pictures of handwritten digits",
            class_names=tuple("0123456789"),
            licence="CC BY-SA 3.0, Y. LeCun, C. Cortes, C. Burges",
            home="https://yann.lecun.com/exdb/mnist/",
            files=_idx_files(
                (
                    9912422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                ),
                (
                    28881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                ),
                (
                    1648877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                ),
                (
                    4542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
            ),
            mirrors=(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
            ),
            torchvision="MNIST/raw",
        ),
        Known(
            name=SYNTHETIC,
            about="drawn garments of the same ten classes, any number and size, made on the spot",
            class_names=FASHION_CLASSES,
            licence="MIT",
            home="part of Lapel",
        ),
    )
}


def find(name: str) -> Known:
    """The dataset of this name. Raises DataError with the nearest known name where there is none."""
    try:
        return CATALOG[name]
    except KeyError:
        raise DataError(
            f"There is no dataset named {name!r}, and no file or folder either.", did_you_mean(name, CATALOG)
        ) from None


def picture_spec(name: str, shape: tuple[int, int, int], class_names: tuple[str, ...]) -> PictureSpec:
    """How a photograph becomes a picture like the ready ones of dataset `name`, which do not say it.

    Pictures of Fashion-MNIST's classes were made its way. Raises ModelError where they are not square, as a
    model needs them.
    """
    height, width, channels = shape
    if height != width:
        raise ModelError(f"A model takes square pictures; those of {name} are {width}×{height}.")
    garments = channels == 1 and class_names == FASHION_CLASSES
    return PictureSpec(height, channels, "garment" if garments else "plain")


def slug(name: str) -> str:
    """A class name as a folder name.

    >>> slug("T-shirt/top")
    't-shirt-top'
    """
    return re.sub(r"[^\w]+", "-", name.casefold()).strip("-")


def default_names(path: PurePath, classes: int) -> tuple[str, ...]:
    """Class names for files that hold none: Fashion-MNIST's where the path says so, else "0", "1", …"""
    said = "-".join((path.parent.name, path.name)).casefold().replace("_", "-")
    if "fashion" in said and classes <= len(FASHION_CLASSES):
        return FASHION_CLASSES
    return tuple(str(label) for label in range(classes))
