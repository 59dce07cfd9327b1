"""Sources of photographs: something with a length whose items are uint8 (H, W, 3) arrays."""

import hashlib
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator, MutableSequence, Sequence
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from jax_inpaint.config import DataConfig
from jax_inpaint.data.errors import DataError
from jax_inpaint.data.read_ahead import read_within, reading
from jax_inpaint.images import SUFFIXES, ImageFileError, decode_picture, read_picture

Split = Literal["train", "validation"]

MOST_IN_A_ROW = 100  # unreadable pictures after which it isn't the pictures' fault

_UNREADABLE, _TOO_SMALL = 1, 2

logger = logging.getLogger(__name__)

# Not a member of ReadableImages, which worker processes receive pickled.
_skipping = threading.Lock()


@runtime_checkable
class ImageSource(Protocol):
    """Random access to photographs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """The photograph, uint8 (H, W, 3). Raises ImageFileError, which names it, if it can't."""
        ...

    def name(self, index: int) -> str:
        """What to call the photograph in a message, below the name of the source."""
        ...


def open_source(config: DataConfig, split: Split) -> "ReadableImages":
    """The photographs of one side of the split that ``config`` describes.

    Raises:
        DataError: if the source is unknown, missing, not prepared or empty, or can't be listed in
            ``config.timeout``.
    """
    text = config.source
    if split == "validation" and config.validation_source:
        text = config.validation_source
    source = read_within(config.timeout, text, lambda: _open_source(config, split, text))
    return ReadableImages(source, text, config.bad_percent, config.smallest_side)


def _open_source(config: DataConfig, split: Split, text: str) -> ImageSource:
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
    return source


class ReadableImages:
    """A source that stands the next picture in for one that is broken or too small.

    Which one is a function of the index alone, so the stream of a run doesn't depend on who read
    what before. Every skipped picture is named once, with the count so far, in a warning.

    Args:
        source: photographs, or masks.
        name: of the source, for messages.
        bad_percent: most unreadable pictures, per cent of all; one is always allowed. What is too
            small doesn't count: that is a choice.
        smallest_side: pictures with a shorter one are skipped, pixels.

    Raises:
        DataError: from ``[index]`` if more are unreadable, :data:`MOST_IN_A_ROW` in a row are, or
            none can be used.
    """

    def __init__(self, source: ImageSource, name: str, bad_percent: float, smallest_side: int = 1):
        self.source = source
        self.name = name
        self.bad_percent = bad_percent
        self.smallest_side = smallest_side
        self._marks: MutableSequence[int] = bytearray(len(source))
        self._in_a_row = 0
        self._latest: deque[str] = deque(maxlen=3)

    def count_together(self) -> None:
        """Makes worker processes that receive it when they are started count as one."""
        self._marks = RawArray("B", bytes(self._marks))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        for candidate in range(index, index + len(self)):
            candidate %= len(self)
            name = f"{self.source.name(candidate)} of {self.name}"
            try:
                with reading(name):
                    image = self.source[candidate]
            except ImageFileError as error:
                self._give_up_on(candidate, " ".join(str(error).split()))
                continue
            self._in_a_row = 0
            height, width = image.shape[:2]
            if min(height, width) >= self.smallest_side:
                return image
            with _skipping:
                self._skip(
                    candidate,
                    _TOO_SMALL,
                    f"{name}: it is {width}x{height}, a side is shorter than data.smallest_side "
                    f"{self.smallest_side}",
                )
        raise DataError(
            f"{self.name}: none of the {len(self)} pictures can be used; see the warnings above"
        )

    def _give_up_on(self, index: int, reason: str) -> None:
        """Raises DataError if it is one too many."""
        with _skipping:
            self._in_a_row += 1
            self._latest.append(reason)
            self._skip(index, _UNREADABLE, reason)
            unreadable = bytes(self._marks).count(_UNREADABLE)
            in_a_row, latest = self._in_a_row, "; ".join(self._latest)
        if unreadable > max(1, self.bad_percent / 100 * len(self)):
            raise DataError(
                f"{self.name}: {unreadable} of {len(self)} pictures can't be read, more than "
                f"data.bad_percent {self.bad_percent:g} allows, the last ones: {latest}. Have a "
                "look at the disk, remove them, or raise data.bad_percent"
            )
        if in_a_row >= MOST_IN_A_ROW:
            raise DataError(
                f"{self.name}: {in_a_row} pictures in a row can't be read, the last ones: "
                f"{latest}. Is the disk, or the network, that they are on still there?"
            )

    def _skip(self, index: int, mark: int, message: str) -> None:
        if not self._marks[index]:
            self._marks[index] = mark
            skipped = len(self) - bytes(self._marks).count(0)
            logger.warning("skipping %s (%d skipped)", message, skipped)


class FolderSource:
    """All pictures below a folder, in the order of their paths.

    Hidden files and folders (such as macOS's ``._photo.jpg`` or ``.cache``) are left out; so are
    pipes and devices, on which one could wait for ever.

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


def _pictures(folder: Path) -> Iterator[Path]:
    files, subfolders = [], []
    try:
        with reading(f"the list of {folder}"), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                kind, path = _kind(entry), Path(entry)
                if kind == stat.S_IFDIR:
                    subfolders.append(path)
                elif kind == stat.S_IFREG and path.suffix.lower() in SUFFIXES:
                    files.append(path)
    except OSError as error:
        logger.warning("leaving out %s: it can't be listed (%s)", folder, error.strerror)
    yield from files
    for subfolder in subfolders:
        yield from _pictures(subfolder)


def _kind(entry: os.DirEntry[str]) -> int:
    """What it is, or leads to: ``stat.S_IFREG``, ``stat.S_IFDIR`` or something else."""
    if not entry.is_symlink():  # the list itself tells
        return stat.S_IFDIR if entry.is_dir() else stat.S_IFREG if entry.is_file() else 0
    try:
        return stat.S_IFMT(entry.stat().st_mode)
    except OSError:
        return stat.S_IFREG  # it leads nowhere; whoever reads it will say so


class TFDSSource:
    """An image feature of a TFDS data source that leaves it encoded."""

    def __init__(self, records: Sequence[Any], feature: str, label: str):
        self.records = records
        self.feature = feature
        self.label = label

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> np.ndarray:
        name = f"{self.label} {self.name(index)}"
        try:
            data = self.records[index][self.feature]
        except Exception as error:  # whatever TFDS stumbles over in damaged bytes
            raise ImageFileError(f"{name}: the record can't be read ({error})") from error
        if not isinstance(data, bytes):
            raise ImageFileError(f"{name}: the record has no {self.feature}")
        return decode_picture(data, name, metadata=False).rgb_uint8()

    def name(self, index: int) -> str:
        """The record's number."""
        return f"record {index}"


def _photographs(directory: str, split: Split) -> ImageSource:
    # Imported here: TFDS takes a second, which a folder of one's own needn't pay.
    from jax_inpaint.data.photographs import home_of_photographs, prepared_photographs

    try:
        builder = prepared_photographs(directory)
        return _Decoded(TFDSSource(_records(builder, split, ["image"]), "image", "photographs"))
    except OSError as error:
        raise DataError(
            f"the photographs can't be prepared ({error}); set data.directory to a folder that can "
            "be written to"
        ) from error
    except Exception as error:  # whatever TFDS stumbles over in damaged files
        raise DataError(
            f"the prepared photographs are damaged ({error}); remove "
            f"{home_of_photographs(directory)}, and they are prepared anew"
        ) from error


class _Decoded:
    """A small source in memory: decoding takes longer than all else that happens to its images."""

    def __init__(self, source: TFDSSource):
        self.images = [source[index] for index in range(len(source))]
        self.names = [source.name(index) for index in range(len(source))]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.images[index]

    def name(self, index: int) -> str:
        return self.names[index]


def _records(builder: Any, split: str, images: Sequence[str]) -> Sequence[Any]:
    """Records of a prepared data set whose images aren't decoded yet: we look at them first."""
    import tensorflow_datasets as tfds

    decoders = {name: tfds.decode.SkipDecoding() for name in images}
    return builder.as_data_source(split=split, decoders=decoders)


def _tfds(name: str, directory: str, split: str) -> ImageSource:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=directory or None)
    except tfds.core.registered.DatasetNotFoundError as error:
        raise DataError(
            f"tfds:{name}: TFDS knows no data set of this name, and none is in "
            f"{directory or 'its default directory'}; see tensorflow.org/datasets/catalog"
        ) from error
    except Exception as error:  # no such config or version, or damaged descriptions, which are many
        raise DataError(f"tfds:{name} can't be opened: {error}") from error
    features = builder.info.features
    every = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    images = [key for key in every if features[key].np_dtype == np.uint8]
    if not images:
        raise DataError(f"tfds:{name} has no 8-bit image feature, only {sorted(features)}")
    try:
        records = _records(builder, split, every)
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
