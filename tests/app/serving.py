"""A page that fills with noise: plain weights, and some that follow sketches."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jax_inpaint.app.models import Models
from jax_inpaint.app.page import Page
from tests.inference.fakes import noisy_inpainter

MOST_PIXELS = 10**6


@contextmanager
def noisy_page() -> Iterator[Page]:
    with noisy_inpainter() as plain, noisy_inpainter(sketch=True) as guided:
        inpainters = {"plain": plain, "guided": guided}
        models = Models(["plain", "guided"], lambda path, device: inpainters[path.name])
        yield Page(models, MOST_PIXELS)


if __name__ == "__main__":
    with noisy_page() as page:
        print(page.serve(), flush=True)
        sys.stdin.read()
        page.close()
