"""The colour photographs that ship inside scikit-image, as a TFDS data set without TensorFlow."""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import skimage
import tensorflow_datasets as tfds

# Left and right view of the motorcycle show the same scene, so both are on the training side.
SPLITS = {
    "train": (
        "astronaut.png",
        "chelsea.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "retina.jpg",
    ),
    "validation": ("coffee.png", "rocket.jpg"),
}


class Photographs(tfds.core.GeneratorBasedBuilder):
    """Nine colour photographs; ``coffee`` and ``rocket`` are held out.

    A person, a cat, a galaxy field, stained tissue, a motorcycle from two sides and a retina train.
    Their licences (public domain, CC0 or similar) are listed in scikit-image's data README.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            homepage="https://scikit-image.org",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "name": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict]]]:
        del dl_manager  # the files are on the machine already
        return {split: self._generate_examples(names) for split, names in SPLITS.items()}

    def _generate_examples(self, names: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
        folder = Path(skimage.__file__).parent / "data"
        for name in names:
            yield name, {"image": folder / name, "name": name}


def home_of_photographs(directory: str = "") -> Path:
    """Where the prepared data set is kept; the argument is as for :func:`prepared_photographs`."""
    parent = Path(directory or platformdirs.user_cache_path("jax_inpaint")).expanduser()
    return parent / Photographs.name


def prepared_photographs(directory: str = "") -> tfds.core.DatasetBuilder:
    """The prepared data set; prepares it first where that hasn't been done.

    Args:
        directory: where it is kept; empty: the user's cache directory.

    Raises:
        OSError: if it can't be written there.
    """
    finished = home_of_photographs(directory) / str(Photographs.VERSION)
    home = finished.parent.parent
    if not finished.is_dir():
        # Prepared aside, moved in one step: a killed or simultaneous run leaves nothing half done.
        home.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix="preparing-", dir=home))
        try:
            # TFDS speaks of downloads; there are none.
            with contextlib.redirect_stdout(io.StringIO()):
                tfds.disable_progress_bar()
                Photographs(data_dir=aside, file_format="array_record").download_and_prepare()
            finished.parent.mkdir(exist_ok=True)
            (aside / Photographs.name / str(Photographs.VERSION)).replace(finished)
        except OSError:
            if not finished.is_dir():  # unless another process was faster
                raise
        finally:
            shutil.rmtree(aside)
    return Photographs(data_dir=home, file_format="array_record")
