import numpy as np
import pytest
from PIL import Image
from skimage import data

from jax_inpaint.data.sources import DataError
from jax_inpaint.data.stream import central_crop
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.pictures import Photographs
from jax_inpaint.images import ImageFileError
from tests.evaluation.scenes import SIZES, photograph, save_photographs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.mark.parametrize("prefix", ["", "folder:"])
def test_all_pictures_of_a_folder_as_they_are(folder, prefix):
    photographs = Photographs(f"{prefix}{folder}")
    assert photographs.stems == ["a", "b/c", "d", "e.f", "g"]
    assert photographs.names == [f"{stem}.png" for stem in photographs.stems]
    assert photographs.numbers == list(range(len(photographs))) == list(range(5))
    for number, size in enumerate(SIZES.values()):
        np.testing.assert_array_equal(photographs[number], photograph(size, number))


def test_pictures_of_one_size_are_from_the_middle(folder):
    photographs = Photographs(str(folder), size=(20, 30))
    for number, size in enumerate(SIZES.values()):
        expected = central_crop(photograph(size, number), (20, 30))
        np.testing.assert_array_equal(photographs[number], expected)


def test_some_pictures_are_from_all_over_and_keep_their_numbers(folder):
    photographs = Photographs(str(folder), count=2)
    assert (photographs.numbers, photographs.stems) == ([0, 2], ["a", "d"])
    np.testing.assert_array_equal(photographs[1], photograph(SIZES["d"], 2))
    assert Photographs(str(folder), count=99).numbers == [0, 1, 2, 3, 4]


def test_the_photographs_that_come_along_have_numbers_for_names(tmp_path):
    photographs = Photographs("photographs", directory=str(tmp_path), size=(16, 24))
    assert photographs.stems == photographs.names == ["000000", "000001"]
    np.testing.assert_array_equal(photographs[1], central_crop(data.coffee(), (16, 24)))
    assert photographs.files == ""


def test_a_folder_that_changed_is_noticed(tmp_path):
    before = Photographs(str(save_photographs(tmp_path))).files
    assert before
    assert before == Photographs(str(tmp_path), count=1).files
    Image.fromarray(photograph((40, 40), 9)).save(tmp_path / "d.png")
    assert before != Photographs(str(tmp_path)).files


def test_pictures_that_can_t_be_used(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        Photographs(f"folder:{tmp_path / 'none'}")
    with pytest.raises(DataError, match="no such folder"):
        Photographs(str(tmp_path / "none"))
    with pytest.raises(DataError, match="no pictures below it"):
        Photographs(str(tmp_path))
    save_photographs(tmp_path)
    with pytest.raises(EvaluationError, match="must be >= 1, got 0"):
        Photographs(str(tmp_path), count=0)
    (tmp_path / "d.jpg").write_bytes(b"nothing")
    with pytest.raises(EvaluationError, match="two pictures are called d"):
        Photographs(str(tmp_path))
    (tmp_path / "d.png").unlink()
    with pytest.raises(ImageFileError, match=r"d\.jpg: isn't a picture"):
        Photographs(str(tmp_path))[2]
