"""Fill many files: what comes next is read, and what is done written, while the network works."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jax_inpaint.errors import UserError
from jax_inpaint.images import SUFFIXES, ImageFileError, Picture, picture_size
from jax_inpaint.inference.inpainter import Inpainter, Task
from jax_inpaint.inference.options import FillOptions

AHEAD = 4  # pictures that are read before they are needed, and that may wait to be written


@dataclass(frozen=True)
class FileTask:
    """The files of a picture, its mask and its sketch, if they are files, and the one to write."""

    picture: Path
    mask: Path | None
    sketch: Path | None
    output: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a file: an error says why it couldn't be filled."""

    task: FileTask
    error: Exception | None = None


def picture_files(folder: Path) -> list[Path]:
    """All pictures below a folder, in the order of their paths, hidden ones left out."""
    files = (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return sorted(path for path in files if path.is_file())


def file_tasks(
    pictures: Path,
    masks: Path | None,
    sketches: Path | None,
    output: Path,
    suffix: str | None = None,
    apart: Sequence[Path] = (),
) -> list[FileTask]:
    """A task for each picture below a folder; outputs have the same paths below theirs.

    Args:
        pictures: the folder.
        masks: one mask for all, or a folder of masks with the pictures' paths, whatever their
            suffixes; None if no files are needed.
        sketches: the same of sketches.
        output: the folder to write to.
        suffix: of what is written, such as ``.png``; None for each picture's own.
        apart: what isn't to be filled, though it may lie in the folder, as masks and outputs may.

    Raises:
        ImageFileError: if there are no pictures, or two would be written to the same file.
    """
    others = [path.resolve() for path in (masks, sketches, output, *apart) if path is not None]
    within = [other for other in others if other != pictures.resolve()]
    found = [
        path
        for path in picture_files(pictures)
        if not any(path.resolve().is_relative_to(other) for other in within)
    ]
    if not found:
        raise ImageFileError(f"{pictures}: there are no pictures in this folder")
    mask_of, sketch_of = _partners(masks), _partners(sketches)
    tasks: dict[Path, FileTask] = {}
    for picture in found:
        name = picture.relative_to(pictures)
        target = output / (name if suffix is None else name.with_suffix(suffix))
        if target in tasks:
            raise ImageFileError(f"{target}: {tasks[target].picture} and {picture} would be this")
        tasks[target] = FileTask(picture, mask_of(name), sketch_of(name), target)
    return list(tasks.values())


def _partners(files: Path | None) -> Callable[[Path], Path | None]:
    """What goes with a picture's path: the one file, or that of the same name in the folder."""
    if files is None or not files.is_dir():
        return lambda name: files
    by_name = {
        path.relative_to(files).with_suffix(""): path
        for path in sorted(files.rglob("*"))
        if path.suffix.lower() in (*SUFFIXES, ".json")
    }
    return lambda name: by_name.get(name.with_suffix(""), files / name.with_suffix(".png"))


def fill_files(
    inpainter: Inpainter,
    tasks: Sequence[FileTask],
    read: Callable[[FileTask], Task],
    write: Callable[[FileTask, Task, Picture], None],
    options: FillOptions,
) -> Generator[Outcome]:
    """Fills files, those of one size after the other, and tells of each as it is done.

    A file that can't be read, filled or written is told of as well, and the rest goes on.

    Args:
        inpainter: fills them.
        tasks: the files.
        read: makes a task of files, in another thread.
        write: stores a result, in another thread.
        options: how to fill.
    """
    # Neighbours in this order share programs, and batches.
    ordered = sorted(tasks, key=lambda task: _size(task, inpainter))
    writing: deque[tuple[FileTask, Future[None]]] = deque()
    with ThreadPoolExecutor(2) as readers, ThreadPoolExecutor(1) as writer:
        try:
            for batch in _batches(inpainter, _read_ahead(readers, read, ordered)):
                if isinstance(batch, Outcome):
                    yield batch
                    continue
                for files, task, picture in _filled(inpainter, batch, options):
                    if isinstance(picture, Exception):
                        yield Outcome(files, picture)
                    else:
                        writing.append((files, writer.submit(write, files, task, picture)))
                while len(writing) > AHEAD:
                    yield _written(*writing.popleft())
            while writing:
                yield _written(*writing.popleft())
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def _size(task: FileTask, inpainter: Inpainter) -> tuple[int, int]:
    try:
        return inpainter.padded(picture_size(task.picture))
    except ImageFileError:
        return (0, 0)  # reading it will say why


def _read_ahead(
    pool: ThreadPoolExecutor, read: Callable[[FileTask], Task], tasks: Iterable[FileTask]
) -> Iterator[tuple[FileTask, Future[Task]]]:
    waiting: deque[tuple[FileTask, Future[Task]]] = deque()
    for task in tasks:
        waiting.append((task, pool.submit(read, task)))
        if len(waiting) > AHEAD:
            yield waiting.popleft()
    yield from waiting


def _batches(
    inpainter: Inpainter, reading: Iterable[tuple[FileTask, Future[Task]]]
) -> Iterator[list[tuple[FileTask, Task]] | Outcome]:
    """Neighbours of the same size together, and what couldn't be read by itself."""
    batch: list[tuple[FileTask, Task]] = []
    for file_task, future in reading:
        try:
            task = future.result()
        except UserError as error:
            yield Outcome(file_task, error)
            continue
        same = batch and task.picture.size == batch[0][1].picture.size
        if batch and not (same and len(batch) < inpainter.together):
            yield batch
            batch = []
        batch.append((file_task, task))
    if batch:
        yield batch


def _filled(
    inpainter: Inpainter, batch: list[tuple[FileTask, Task]], options: FillOptions
) -> list[tuple[FileTask, Task, Picture | Exception]]:
    try:
        pictures = inpainter.fill([task for _, task in batch], options)
    except UserError as error:
        if len(batch) == 1:
            return [(*batch[0], error)]
        # One of them is to blame.
        return [result for one in batch for result in _filled(inpainter, [one], options)]
    return [(*one, picture) for one, picture in zip(batch, pictures, strict=True)]


def _written(task: FileTask, future: Future[None]) -> Outcome:
    try:
        future.result()
    except UserError as error:
        return Outcome(task, error)
    return Outcome(task)
