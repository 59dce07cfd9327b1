"""The page: what is where on it, and what happens when."""

import contextlib
import functools
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import numpy as np
import skimage

from jax_inpaint.app.files import KEPT, BrowserFiles
from jax_inpaint.app.models import Models
from jax_inpaint.app.session import Mask, Session, Version, check_size
from jax_inpaint.errors import UserError
from jax_inpaint.images import (
    SUFFIXES,
    MaskOptions,
    Picture,
    grow_hole,
    read_hole,
)
from jax_inpaint.inference.blending import BlendKind
from jax_inpaint.inference.inpainter import Inpainter, Task, check_hole, suspicion
from jax_inpaint.inference.network import FillError
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.inference.sheets import explanation_sheets
from jax_inpaint.inference.strategies import Strategy

TITLE = "jax_inpaint"
EXAMPLES = [
    Path(skimage.__file__).parent / "data" / name
    for name in ("coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png")
]
FORMATS = ("png", "jpg", "webp", "tif")  # of downloads
WAITING = 16  # events that may wait, fills most of all; more are turned away
UNTAKEN = 64  # editors' contents that wait for an event
LARGEST_FILE = "200mb"
SCRIPT = Path(__file__).with_name("page.js")  # keys and the clipboard

# What a button does to the hole, with a number of pixels.
OPERATIONS: dict[str, Callable[[Mask, int], Mask]] = {
    "Expand": grow_hole,
    "Shrink": lambda hole, pixels: grow_hole(hole, -pixels),
    "Invert": lambda hole, pixels: ~hole,
    "Clear": lambda hole, pixels: np.zeros_like(hole),
}

# With opacity, so that one sees what is underneath.
_HOLE_COLOUR, _SKETCH_COLOUR = ("#e61e5a", 0.7), ("#00d0ff", 1.0)
_SHEETS = {
    "stages": "What each stage draws",
    "gates": "What the gates let through",
    "known": "What each layer knows",
    "offset_flow": "Where attention looks",
    "sources": "What it finds there",
}
_HELP = (
    "Keys: Ctrl+Z and Ctrl+Y take strokes back and do them again, [ and ] change the brush, "
    "Ctrl+Enter fills, Ctrl+Backspace takes a fill back, Ctrl+V pastes a picture."
)


class Page:
    """The page. Its methods are what happens; they return the new values of components.

    Args:
        models: the weights to choose from.
        most_pixels: pictures with more are refused.

    Attributes:
        blocks: what Gradio launches.
    """

    def __init__(self, models: Models, most_pixels: int):
        self.models = models
        self.most_pixels = most_pixels
        self._files = BrowserFiles()
        with gr.Blocks(
            title=TITLE, analytics_enabled=False, delete_cache=(600, KEPT)
        ) as self.blocks:
            self._lay_out()
            self._connect()
            self._offer_to_programs()

    def serve(self, host: str = "127.0.0.1", port: int | None = None, browser: bool = False) -> str:
        """Serves the page from threads of its own, until it is closed; returns its address.

        Args:
            host: who may come: ``127.0.0.1`` only this machine, ``0.0.0.0`` everybody.
            port: the first free one from 7860 on without it.
            browser: whether to open one.

        Raises:
            OSError: if the port isn't free.
        """
        _, address, _ = self.blocks.queue(max_size=WAITING).launch(
            server_name=host,
            server_port=port,
            max_file_size=LARGEST_FILE,
            inbrowser=browser,
            head=f"<script>{SCRIPT.read_text()}</script>",
            footer_links=["api"],
            prevent_thread_lock=True,
            quiet=True,
        )
        return address

    def close(self) -> None:
        """Ends serving, and removes what was kept for downloads."""
        self.blocks.close(verbose=False)
        self._files.close()

    def _lay_out(self) -> None:
        self.session = gr.State(time_to_live=KEPT)
        self.strokes = gr.State(0)  # that ended while each is to be filled
        with gr.Row():
            with gr.Column(scale=3, min_width=480):
                with gr.Tabs():
                    with gr.Tab("Hole"):
                        self.hole = _editor("hole", _HOLE_COLOUR, 20)
                    with gr.Tab("Pencil", visible=False) as self.pencil_tab:
                        self.sketch = _editor("sketch", _SKETCH_COLOUR, 2)
                with gr.Row():
                    self.fill_button = gr.Button("Fill", variant="primary", elem_id="fill")
                    self.undo_button = gr.Button("Undo fill", interactive=False, elem_id="undo")
                    self.redo_button = gr.Button("Redo fill", interactive=False, elem_id="redo")
                self.at_once = gr.Checkbox(label="Fill as soon as a stroke ends", elem_id="at-once")
                with gr.Row():
                    self.change_buttons = {
                        name: gr.Button(name, size="sm", min_width=60) for name in OPERATIONS
                    }
                    self.mask_button = gr.UploadButton(
                        "Open a mask",
                        size="sm",
                        file_types=[*SUFFIXES, ".json"],
                        min_width=60,
                        elem_id="open-mask",
                    )
                self.pixels = gr.Slider(
                    1, 100, 8, step=1, label="Pixels by which to expand or shrink the hole"
                )
                gr.Markdown(_HELP)
            with gr.Column(scale=2, min_width=320):
                self.opener = gr.File(
                    label="Open, drop or paste a picture",
                    file_types=list(SUFFIXES),
                    height=130,
                    elem_id="open",
                )
                self.line = gr.Markdown("or choose an example:")
                self.examples = gr.Gallery(
                    [str(path) for path in EXAMPLES],
                    columns=4,
                    height=120,
                    object_fit="cover",
                    allow_preview=False,
                    show_label=False,
                    buttons=[],
                    interactive=False,
                    elem_id="examples",
                )
                with gr.Tabs():
                    with gr.Tab("Before and after"):
                        self.slider = gr.ImageSlider(
                            format="jpeg",
                            show_label=False,
                            buttons=["fullscreen"],
                            elem_id="slider",
                        )
                    with gr.Tab("History"):
                        self.history = gr.Gallery(
                            format="jpeg",
                            columns=3,
                            show_label=False,
                            allow_preview=False,
                            buttons=[],
                            interactive=False,
                            elem_id="history",
                        )
                    with gr.Tab("Explain"):
                        gr.Markdown("What the network does with the hole, or did with the last.")
                        self.explain_button = gr.Button("Explain", size="sm", elem_id="explain")
                        self.sheets = gr.Gallery(
                            columns=1, object_fit="contain", show_label=False, elem_id="sheets"
                        )
                with gr.Row(equal_height=True):
                    self.picture_button = gr.Button("Download picture", elem_id="save-picture")
                    self.mask_save_button = gr.Button("Download mask", elem_id="save-mask")
                    self.format = gr.Dropdown(FORMATS, label="Picture's format", min_width=80)
                    self.download = gr.DownloadButton(visible="hidden", elem_id="download")
                with gr.Accordion("How it fills", open=False):
                    names, devices = self.models.names, self.models.devices
                    self.weights = gr.Dropdown(
                        names, value=names[0], label="Weights", elem_id="weights"
                    )
                    self.device = gr.Dropdown(devices, value=devices[0], label="Device")
                    self.strategy = gr.Dropdown(get_args(Strategy), label="Strategy")
                    self.blend = gr.Dropdown(get_args(BlendKind), label="Blending", elem_id="blend")

    def _connect(self) -> None:
        seen = [
            self.session,
            self.hole,
            self.sketch,
            self.slider,
            self.history,
            self.line,
            self.undo_button,
            self.redo_button,
        ]
        painted = [self.session, self.hole, self.sketch]
        how = [self.weights, self.device, self.strategy, self.blend]
        on = functools.partial(gr.on, api_visibility="private")
        network = {"concurrency_id": "network", "concurrency_limit": 1}
        filling = {"outputs": seen, "show_progress_on": self.slider, **network}
        fills = [
            on(self.fill_button.click, self.fill_painted, [*painted, *how], **filling),
            on(self.strokes.change, self.fill_stroke, [*painted, *how], **filling),
        ]
        on(
            self.hole.input,
            self.count_stroke,
            [self.at_once, self.strokes, self.hole],
            self.strokes,
            show_progress="hidden",
        )
        # What a fill that is still under way would bring isn't wanted after any of these.
        change = functools.partial(on, outputs=seen, cancels=fills)
        on(self.opener.upload, self.open, self.opener, [*seen, self.opener], cancels=fills).failure(
            None, None, self.opener, js="() => null"
        )
        change(self.examples.select, self.open_example, None)
        for button, by in ((self.undo_button, -1), (self.redo_button, 1)):
            change(button.click, functools.partial(self.move, by), painted)
        change(self.history.select, self.jump, painted)
        for name, button in self.change_buttons.items():
            operation = functools.partial(self.change_hole, name)
            change(button.click, operation, [*painted, self.pixels])
        change(self.mask_button.upload, self.open_mask, [*painted, self.mask_button])
        on(
            self.explain_button.click,
            self.explain,
            [*painted, self.weights, self.device],
            self.sheets,
            **network,
        )
        start_download = "() => document.querySelector('#download').click()"
        on(
            self.picture_button.click, self.save_picture, [self.session, self.format], self.download
        ).success(None, js=start_download)
        on(
            self.mask_save_button.click, self.save_mask, [self.session, self.hole], self.download
        ).success(None, js=start_download)
        on(
            [self.weights.change, self.blocks.load],
            self.guided,
            [self.weights, self.device],
            self.pencil_tab,
        )

    def _offer_to_programs(self) -> None:
        """What Gradio's client can call, without a browser."""
        files = [gr.File(label=name, visible=False) for name in ("picture", "mask", "sketch")]
        result = gr.File(label="filled", visible=False)
        how = [self.weights, self.device, self.strategy, self.blend, self.format]
        gr.Button(visible=False).click(
            self.fill_files, [*files, *how], result, api_name="fill", concurrency_id="network"
        )

    def open(self, path: str) -> dict[Any, Any]:
        """Starts a session with a picture."""
        with errors_on_the_page():
            self._files.forget_old()
            session = Session.opened(Path(path), self.most_pixels)
            return {**self._seen(session), self.opener: None}

    def open_example(self, event: gr.SelectData) -> dict[Any, Any]:
        """Starts a session with an example."""
        with errors_on_the_page():
            return self._seen(Session.opened(EXAMPLES[event.index], self.most_pixels))

    def fill_painted(
        self,
        session: Session | None,
        hole: Any,
        sketch: Any,
        weights: str,
        device: str,
        strategy: Strategy,
        blend: BlendKind,
        progress: Callable[..., Any] = gr.Progress(),  # noqa: B008
    ) -> Iterator[dict[Any, Any]]:
        """Fills what is painted: first a quick look, then the whole."""
        with errors_on_the_page():
            session = _painted(session, hole, sketch)
            _check_painted(session.current)
            inpainter = self.models.get(weights, device)
            task = _task(session.current, inpainter)
            check_hole(task.hole, task.picture.size)
            if warning := suspicion(task.hole):
                gr.Warning(warning)
            progress(0, "A quick look")
            shown = session.current.smaller()
            quick = inpainter.preview(_task(shown, inpainter))
            yield {self.slider: (self._files.shown(shown.picture), self._files.shown(quick))}
            options = FillOptions(strategy=strategy, blend=blend)
            (filled,) = inpainter.fill([task], options, lambda share: progress(share, "Filling"))
            yield self._seen(session.filled(filled))

    def count_stroke(self, at_once: bool, strokes: int, hole: Any) -> int:
        """Counts strokes that are to be filled."""
        # Gradio keeps what the editor sends until an event takes it, which ``hole`` is there for,
        # and forever if another stroke comes too soon.
        while len(self.hole.blob_storage) > UNTAKEN:
            self.hole.blob_storage.pop(next(iter(self.hole.blob_storage)), None)
        return strokes + at_once

    def fill_stroke(
        self, session: Session | None, hole: Any, *others: Any
    ) -> Iterator[dict[Any, Any]]:
        """The same when a stroke ends, which may have erased all of the hole.

        The editor tells of what it is given, too: a hole that was there before isn't filled.
        """
        if session is not None:
            painted = _painted(session, hole, None).current.hole
            if painted.any() and np.any(painted != session.current.hole):
                yield from self.fill_painted(session, hole, *others)

    def move(self, by: int, session: Session | None, hole: Any, sketch: Any) -> dict[Any, Any]:
        """Takes fills back, or does them again."""
        with errors_on_the_page():
            session = _painted(session, hole, sketch)
            return self._seen(session.moved(session.at + by))

    def jump(
        self, session: Session | None, hole: Any, sketch: Any, event: gr.SelectData
    ) -> dict[Any, Any]:
        """Goes to a version of the history."""
        with errors_on_the_page():
            return self._seen(_painted(session, hole, sketch).moved(event.index))

    def change_hole(
        self, operation: str, session: Session | None, hole: Any, sketch: Any, pixels: int | float
    ) -> dict[Any, Any]:
        """Expands the hole, shrinks it, and so on, by so many pixels of the picture."""
        with errors_on_the_page():
            session = _painted(session, hole, sketch)
            changed = OPERATIONS[operation](session.current.hole, round(pixels))
            return self._seen(session.with_hole(changed))

    def open_mask(
        self, session: Session | None, hole: Any, sketch: Any, path: str
    ) -> dict[Any, Any]:
        """Takes the hole from a file."""
        with errors_on_the_page():
            session = _painted(session, hole, sketch)
            size = session.current.picture.size
            read = self._read_mask(path, size, session.name)
            check_hole(read, size)
            return self._seen(session.with_hole(read))

    def save_picture(self, session: Session | None, file_format: str) -> str:
        """A file of the version that is looked at, with all that the original carried."""
        with errors_on_the_page():
            session = _opened(session)
            return self._files.download(
                _named(session, f"filled.{file_format}"), session.current.picture
            )

    def save_mask(self, session: Session | None, hole: Any) -> str:
        """A file of the hole that is painted, or that was filled last."""
        with errors_on_the_page():
            session = _painted(session, hole, None)
            _check_painted(session.asked)
            white = session.asked.hole[..., None] * np.uint8(255)
            return self._files.download(_named(session, "mask.png"), Picture(white, "L"))

    def explain(
        self, session: Session | None, hole: Any, sketch: Any, weights: str, device: str
    ) -> list[tuple[str, str]]:
        """What the network does with the hole that is painted, or did with the last."""
        with errors_on_the_page():
            asked = _painted(session, hole, sketch).asked
            _check_painted(asked)
            inpainter = self.models.get(weights, device)
            task = _task(asked.smaller(inpainter.working_size), inpainter)
            sheets = explanation_sheets(inpainter.explain(task.picture, task.hole, task.sketch))
            return [
                (self._files.shown(Picture(pixels, "RGB"), ".png"), _SHEETS[name])
                for name, pixels in sheets.items()
            ]

    def guided(self, weights: str, device: str) -> Any:
        """Shows the pencil for weights that follow sketches."""
        with errors_on_the_page():
            return gr.update(visible=self.models.get(weights, device).config.takes_sketch)

    def fill_files(
        self,
        picture: str,
        mask: str,
        sketch: str | None,
        weights: str,
        device: str,
        strategy: Strategy,
        blend: BlendKind,
        file_format: str,
    ) -> str:
        """Opens a picture, opens a mask, fills, and saves."""
        with errors_on_the_page():
            session = Session.opened(Path(picture), self.most_pixels)
            opened = session.current.picture
            hole = self._read_mask(mask, opened.size, session.name)
            lines = None
            if sketch is not None:
                lines = self._read_mask(sketch, opened.size, session.name)
            task = Task(opened, hole, lines)
            options = FillOptions(strategy=strategy, blend=blend)
            (filled,) = self.models.get(weights, device).fill([task], options)
            return self._files.download(_named(session, f"filled.{file_format}"), filled)

    def _read_mask(self, path: str, size: tuple[int, int], name: str) -> Mask:
        if Path(path).suffix.lower() != ".json":
            check_size(Path(path), self.most_pixels)
        return read_hole(path, MaskOptions(), size, name)

    def _seen(self, session: Session) -> dict[Any, Any]:
        """What is shown of a session."""
        at, versions = session.at, session.versions
        shown = session.current.smaller()
        height, width = session.current.picture.size
        pictures = [
            (
                self._files.shown(version.smaller(256).picture),
                f"fill {number}" if number else "original",
            )
            for number, version in enumerate(versions)
        ]
        before = session.current.before
        return {
            self.session: session,
            self.hole: self._editor_value(shown, shown.hole, _HOLE_COLOUR),
            self.sketch: self._editor_value(shown, shown.sketch, _SKETCH_COLOUR),
            self.slider: before
            and (self._files.shown(before.smaller().picture), self._files.shown(shown.picture)),
            self.history: gr.update(value=pictures, selected_index=at),
            self.line: f"{session.name}, {width} x {height} pixels. Another example:",
            self.undo_button: gr.update(interactive=at > 0),
            self.redo_button: gr.update(interactive=at + 1 < len(versions)),
        }

    def _editor_value(
        self, shown: Version, mask: Mask, colour: tuple[str, float]
    ) -> dict[str, Any]:
        """A picture to paint on, with what is painted already."""
        rgba = [*bytes.fromhex(colour[0][1:]), round(255 * colour[1])]
        layer = np.where(mask[..., None], np.array(rgba, np.uint8), np.uint8(0))
        return {
            "background": self._files.shown(shown.picture),
            "layers": [self._files.shown(Picture(layer, "RGBA"), ".png")],
            "composite": None,
        }


@contextlib.contextmanager
def errors_on_the_page() -> Iterator[None]:
    """Shows what a visitor can cause as a message on the page."""
    try:
        yield
    except UserError as error:
        # Where the server keeps a file is nobody's business.
        text = re.sub(re.escape(tempfile.gettempdir()) + r"/\S*/", "", " ".join(str(error).split()))
        raise gr.Error(text, print_exception=False) from error


def _editor(name: str, colour: tuple[str, float], radius: int) -> gr.ImageEditor:
    return gr.ImageEditor(
        elem_id=name,
        show_label=False,
        sources=(),
        transforms=(),
        layers=False,
        canvas_size=(1, 1),  # the editor centres layers that are smaller than it was at first
        buttons=["fullscreen"],
        format="png",
        height=560,
        brush=gr.Brush(default_size=radius, colors=[colour], color_mode="fixed"),
        eraser=gr.Eraser(default_size=radius),
    )


def _mask_of(value: Any) -> Mask | None:
    """What is painted in an editor, if anything is in it."""
    if not value or not value["layers"]:
        return None
    return np.any([layer[..., 3] > 127 for layer in value["layers"]], axis=0)


def _opened(session: Session | None) -> Session:
    if session is None:
        raise FillError("open a picture first, or choose an example")
    return session


def _painted(session: Session | None, hole: Any, sketch: Any) -> Session:
    return _opened(session).painted(_mask_of(hole), _mask_of(sketch))


def _check_painted(version: Version) -> None:
    if not version.hole.any():
        raise FillError("paint over what is to be filled first")


def _named(session: Session, ending: str) -> str:
    return f"{Path(session.name).stem}_{ending}"


def _task(version: Version, inpainter: Inpainter) -> Task:
    drawn = inpainter.config.takes_sketch and version.sketch.any()
    return Task(version.picture, version.hole, version.sketch if drawn else None)
