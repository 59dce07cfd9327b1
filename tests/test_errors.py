import pickle

from jax_inpaint.errors import UserError
from jax_inpaint.images import ImageFileError


def test_what_is_quoted_from_a_file_neither_floods_nor_steers_a_terminal():
    assert str(UserError("a\n\x1b[31mred\x9b\ud800 é")) == "a\n\\x1b[31mred\\x9b\\ud800 é"
    message = str(UserError("x" * 10_000_000))
    assert message == "x" * 2000 + "..."


def test_errors_pass_between_processes():
    error = pickle.loads(pickle.dumps(ImageFileError("a\tb")))
    assert type(error) is ImageFileError
    assert str(error) == str(ImageFileError("a\tb")) == "a\\tb"
