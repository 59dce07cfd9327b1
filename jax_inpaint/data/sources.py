"""Sources of photographs: something with a length whose items are uint8 (H, W, 3) arrays."""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import cv2
import numpy as np

from jax_inpaint.config import DataConfig
from jax_inpaint.errors import UserError
from jax_inpaint.images import SUFFIXES, ImageFileError, read_picture

Split = Literal["train", "validation"]

logger = logging.getLogger(__name__)

# Not a member of ReadableImages, which worker processes receive pickled.
_skipping = threading.Lock()


class DataError(UserError):
    """A data source that can't be used; the message says why and what to do."""


@runtime_checkable
class ImageSource(Protocol):
    """Random access to photographs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """The photograph, uint8 (H, W, 3). Raises ImageFileError if it can't be read."""
        ...

    def name(self, index: int) -> str:
        """What to call the photograph in a message."""
        ...


def open_source(config: DataConfig, split: Split) -> "ReadableImages":
    """The photographs of one side of the split that ``config`` describes.

    Raises:
        DataError: if the source is unknown, missing, not prepared or empty.
    """
    text = config.source
    if split == "validation" and config.validation_source:
        text = config.validation_source
    kind, _, rest = text.partition(":")
    if kind == "photographs" and not rest:
        source = _photographs(config.directory, split)
    elif kind == "tfds" and rest:
        wanted = config.train_split if split == "train" else config.validation_split
        source = _tfds(rest, config.directory, wanted)
    elif kind == "folder" and rest:
        shared = _share_folder(config.source, config.validation_source or config.source)
        source = FolderSource(rest, split if shared else None, config.validation_percent)
    else:
        raise DataError(
            f"data source '{text}' isn't known; use photographs, tfds:NAME (such as tfds:celeb_a) "
            "or folder:PATH"
        )
    if len(source) == 0:
        raise DataError(f"data source '{text}' has no images in its {split} split")
    return ReadableImages(source, config.smallest_side)


class ReadableImages:
    """A source that stands the next photograph in for one that is broken or too small.

    Which one is a function of the index alone, so the stream of a run doesn't depend on who read
    what before. Every skipped photograph is named once, with the count so far, in a warning (by
    each worker process that meets it).
    """

    def __init__(self, source: ImageSource, smallest_side: int):
        self.source = source
        self.smallest_side = smallest_side
        self.skipped: set[int] = set()

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        for candidate in range(index, index + len(self)):
            candidate %= len(self)
            try:
                image = self.source[candidate]
            except ImageFileError as error:
                self._skip(candidate, str(error))
                continue
            height, width = image.shape[:2]
            if min(height, width) >= self.smallest_side:
                return image
            self._skip(
                candidate,
                f"it is {width}x{height}, a side is shorter than data.smallest_side "
                f"{self.smallest_side}",
            )
        raise DataError(f"none of the {len(self)} images can be used; see the warnings above")

    def _skip(self, index: int, reason: str) -> None:
        with _skipping:
            if index not in self.skipped:
                self.skipped.add(index)
                logger.warning(
                    "skipping %s: %s (%d skipped)",
                    self.source.name(index),
                    reason,
                    len(self.skipped),
                )


class FolderSource:
    """All pictures below a folder, in the order of their paths.

    Hidden files and folders (such as macOS's ``._photo.jpg`` or ``.cache``) are left out.

    Args:
        folder: where to look; subfolders are searched too, and links to folders.
        split: a side of the split, by a hash of the path below the folder; None takes everything.
        validation_percent: share of the files on the validation side.

    Raises:
        DataError: if there is no such folder, or no picture in it for this side.
    """

    def __init__(self, folder: str, split: Split | None, validation_percent: float):
        self.root = Path(folder).expanduser()
        if not self.root.is_dir():
            raise DataError(f"folder:{folder}: there is no such folder")
        relative = sorted(path.relative_to(self.root).as_posix() for path in _pictures(self.root))
        if not relative:
            raise DataError(
                f"folder:{folder}: no pictures below it (looked for {', '.join(SUFFIXES)})"
            )
        if split is not None:
            chosen = [
                path
                for path in relative
                if (_hash_percent(path) < validation_percent) == (split == "validation")
            ]
            if not chosen:
                raise DataError(
                    f"folder:{folder}: none of its {len(relative)} pictures fall on the {split} "
                    f"side at data.validation_percent {validation_percent}; change that, or name "
                    "another folder in data.validation_source"
                )
            relative = chosen
        self.files = relative

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> np.ndarray:
        return read_picture(self.root / self.files[index], metadata=False).rgb_uint8()

    def name(self, index: int) -> str:
        """The path below the folder."""
        return self.files[index]


def _pictures(root: Path) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(root, followlinks=True):
        subfolders[:] = (name for name in subfolders if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield path


class TFDSSource:
    """The image feature of a TFDS data source."""

    def __init__(self, records: Sequence[Any], feature: str, label: str):
        self.records = records
        self.feature = feature
        self.label = label

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> np.ndarray:
        try:
            image = np.asarray(self.records[index][self.feature])
        except (AttributeError, cv2.error) as error:
            # TFDS uses what OpenCV returns for bytes it can't decode, None, as if it were an image.
            raise ImageFileError(f"it can't be decoded ({error})") from error
        if image.shape[-1] == 1:
            image = np.repeat(image, 3, axis=-1)
        return image[..., :3]

    def name(self, index: int) -> str:
        """The data set and the record's number."""
        return f"{self.label} record {index}"


def _photographs(directory: str, split: Split) -> ImageSource:
    # Imported here: TFDS takes a second, which a folder of one's own needn't pay.
    from jax_inpaint.data.photographs import prepared_photographs

    try:
        builder = prepared_photographs(directory)
    except OSError as error:
        raise DataError(
            f"the photographs can't be prepared ({error}); set data.directory to a folder that can "
            "be written to"
        ) from error
    # So few are decoded once: that takes longer than all else that happens to them.
    return TFDSSource(list(builder.as_data_source(split=split)), "image", "photographs")


def _tfds(name: str, directory: str, split: str) -> ImageSource:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=directory or None)
    except tfds.core.registered.DatasetNotFoundError as error:
        raise DataError(
            f"tfds:{name}: TFDS knows no data set of this name, and none is in "
            f"{directory or 'its default directory'}; see tensorflow.org/datasets/catalog"
        ) from error
    except (ValueError, AssertionError, ImportError) as error:  # of a config, version or namespace
        raise DataError(f"tfds:{name} can't be opened: {error}") from error
    images = [
        key
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image) and feature.np_dtype == np.uint8
    ]
    if not images:
        raise DataError(
            f"tfds:{name} has no 8-bit image feature, only {sorted(builder.info.features)}"
        )
    try:
        records = builder.as_data_source(split=split)
    except NotImplementedError as error:
        if builder.data_path.exists():
            raise DataError(
                f"tfds:{name} is prepared as {builder.info.file_format.value}, which has no random "
                f"access; run `tfds convert_format --dataset_version_dir={builder.data_dir} "
                "--out_file_format=array_record` (which may need TensorFlow; training doesn't)"
            ) from error
        place = f" --data_dir={directory}" if directory else ""
        raise DataError(
            f"tfds:{name} isn't prepared in {builder.data_dir}; run `tfds build {name} "
            f"--file_format=array_record{place}` (which may need TensorFlow; training doesn't)"
        ) from error
    except (ValueError, KeyError) as error:
        raise DataError(
            f"tfds:{name}: split '{split}' can't be used ({error}); its splits are "
            f"{sorted(builder.info.splits)}; set data.train_split and data.validation_split, for "
            "example to train[2%:] and train[:2%]"
        ) from error
    return TFDSSource(records, "image" if "image" in images else images[0], f"tfds:{name}")


def _hash_percent(text: str) -> float:
    """A number in [0, 100) that depends on the text alone."""
    digest = hashlib.sha256(os.fsencode(text)).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


def _share_folder(source: str, other: str) -> bool:
    """Whether two sources are the same folder, however it is spelled.

    Raises:
        DataError: if one is inside the other, so that photographs would be on both sides.
    """
    a, b = (Path(text.partition(":")[2]).expanduser().resolve() for text in (source, other))
    both = source.startswith("folder:") and other.startswith("folder:")
    if both and a != b and (a.is_relative_to(b) or b.is_relative_to(a)):
        raise DataError(
            f"{source} and {other}: one folder is inside the other, so photographs would be in "
            "training and validation; put them side by side"
        )
    return a == b
