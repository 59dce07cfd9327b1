"""``jax-inpaint app``: a page to fill holes on, in a browser."""

import os
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jax_inpaint.app.models import Models
from jax_inpaint.errors import UserError
from jax_inpaint.inference.inpainter import PREVIEW_SIZE, Inpainter
from jax_inpaint.stopping import StopRequest


class AppError(UserError):
    """The page can't be shown; the message says why and what to do."""


@dataclass(frozen=True)
class App:
    """Fill holes on a page in a browser: paint them, look, and go on from there.

    Needs the extra app. The page is only for this machine, unless --host says otherwise; it loads
    nothing from elsewhere. Several people may use it at once: their fills wait for each other.
    """

    # weights files, or workdirs of training runs, to choose from
    weights: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = field(default=())
    host: str = "127.0.0.1"  # 0.0.0.0 lets other machines in, and anybody on them
    port: int | None = None  # the first free one from 7860 on without it
    max_megapixels: float = 50.0  # larger pictures are refused
    dtype: Literal["float32", "bfloat16"] | None = None  # what to compute in; as trained without it
    browser: bool = False  # open a browser

    def run(self) -> int:
        """Serves until it is stopped."""
        models = Models(self.weights, partial(Inpainter.load, dtype=self.dtype))
        import_gradio()
        from jax_inpaint.app.page import Page

        # A mistake in the command shouldn't wait for the first visitor.
        inpainter = models.get(models.names[0], models.devices[0])
        page = Page(models, round(self.max_megapixels * 1e6))
        try:
            url = page.serve(self.host, self.port, self.browser)
        except OSError as error:
            raise AppError(f"the page can't be served on {self.host}: {error}") from error
        print(f"{url}: the page; Ctrl-C stops it", flush=True)
        # So that the first visitor needn't wait for the compiler.
        threading.Thread(target=inpainter.warm_up, args=((PREVIEW_SIZE,) * 2,), daemon=True).start()
        with StopRequest() as stop:
            while stop.signal is None:
                time.sleep(0.1)
        page.close()
        return 0


def import_gradio() -> Any:
    """Gradio, which says nothing to anybody about being used; AppError if it isn't installed."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError as error:
        raise AppError(
            "the page needs Gradio, which isn't installed; pip install 'jax_inpaint[app]' brings it"
        ) from error
    return gradio
