"""``jax-inpaint evaluate``: figures, baselines and pictures in one report."""

import contextlib
import datetime
import platform
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro
from tqdm import tqdm

import jax_inpaint
from jax_inpaint.commands.fill import quiet_decoders
from jax_inpaint.config import FeatureConfig, PictureFigure, check_seed
from jax_inpaint.errors import UserError
from jax_inpaint.evaluation.baselines import BaselineName
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.holes import Holes, parse_holes
from jax_inpaint.evaluation.methods import Baseline, Method, Network, Predictions, name_and_path
from jax_inpaint.evaluation.pictures import Photographs
from jax_inpaint.evaluation.records import Columns, Records
from jax_inpaint.evaluation.report import write_report
from jax_inpaint.evaluation.report.write import About
from jax_inpaint.evaluation.run import FEATURES, PHOTOGRAPHS, Evaluation, Stopped
from jax_inpaint.evaluation.scoring import Scorer, load_scorer
from jax_inpaint.evaluation.summary import EVERYTHING, Summary, summarize
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.metrics.structure import SMALLEST_MS_SSIM
from jax_inpaint.processes import (
    Parts,
    find_place,
    first_does,
    is_first,
    join_processes,
    last_words,
    leave_at_once,
    noticing_lost_processes,
)
from jax_inpaint.stopping import StopRequest

MASKS = ("thin", "medium", "thick", "union", "center")
BASELINES: tuple[BaselineName, ...] = ("mean-color", "telea", "navier-stokes", "biharmonic")

# Arguments behind one flag, or each behind a flag of its own.
Several = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction]

KILLED = (
    "jax-inpaint: this process was killed, or another one of its evaluation was. Mostly the system "
    "does so for lack of memory; a smaller --batch-size takes less. The same command, started anew "
    "everywhere, goes on from what is recorded."
)

RANKED_BY = ("lpips_alexnet", "lpips_vgg16", "lpips_squeezenet", "hole_l1")  # the first there is


@dataclass(frozen=True)
class Evaluate:
    """Fill the same holes by models, baselines and other programs, and report how well.

    Writes report.md, report.html, results.json and pictures.csv. Stopped, the same command goes on
    from where it was; more methods and more masks may join later.
    """

    # folder for the report
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # photographs | tfds:NAME | folder:PATH, or the path of a folder
    data: str = "photographs"
    # weights files or workdirs, or NAME=PATH
    weights: Several = ()
    # kinds such as thick, kinds with bounds in per cent such as irregular:10-20, or folder:PATH;
    # thin medium thick union center without it
    masks: Several = ()
    # NAME=FOLDER of pictures filled by other programs: FOLDER/MASKS/PICTURE.png
    predictions: Several = ()
    # what needs no training: mean-color telea navier-stokes biharmonic without it, or none if
    # nothing follows; patchmatch needs the extra of that name
    baselines: Annotated[tuple[tuple[BaselineName, ...], ...], tyro.conf.UseAppendAction] = ()
    # height and width that pictures are cropped and scaled to; as they are without it
    size: tuple[int, int] | None = None
    count: int | None = None  # how many pictures, from all over the data; all without it
    seed: int = 0  # of the masks
    split: str = "validation"  # of tfds data
    directory: str = ""  # where tfds data are; empty: TFDS's own default
    batch_size: int = 16  # pictures scored at once
    rank_by: PictureFigure | None = None  # decides which pictures are shown; LPIPS or hole_l1
    draws: int = 1000  # of the bootstrap
    # how to fill, for all weights
    options: Annotated[FillOptions, tyro.conf.arg(name="")] = field(default_factory=FillOptions)
    dtype: Literal["float32", "bfloat16"] | None = None  # what to compute in; as trained without it
    device: str | None = None  # where networks fill: cpu, gpu, gpu:1; what JAX prefers without it
    # public weights of networks that metrics look through
    features: FeatureConfig = field(default_factory=FeatureConfig)
    # of several processes that share the work: HOST:PORT where process 0 listens. Those that a
    # launcher started (SLURM, Open MPI, a TPU slice; Kubernetes with jax[k8s]) find each other
    # without it
    coordinator: str | None = None
    processes: int | None = None  # how many there are; SLURM and MPI can tell
    process: int | None = None  # which one this is, from 0; SLURM and MPI can tell

    def run(self) -> int:
        """Evaluates, or goes on, maybe with other processes; returns the exit status."""
        if self.batch_size < 1 or self.draws < 1:
            raise EvaluationError("--batch-size and --draws must be >= 1")
        check_seed("--seed", self.seed)
        if self.size is not None and min(self.size) < 8:
            raise EvaluationError(f"--size must be 8 pixels or more, got {self.size}")
        join_processes(find_place(self.coordinator, self.processes, self.process))
        several = jax.process_count() > 1
        try:
            with (
                last_words(KILLED) if several else contextlib.nullcontext(),
                noticing_lost_processes("what is recorded"),
            ):
                return self._run()
        except (UserError, KeyboardInterrupt) as error:
            if not several:
                raise
            print(f"jax-inpaint: {' '.join(str(error).split()) or 'stopped'}", file=sys.stderr)
            leave_at_once(1 if isinstance(error, UserError) else 128 + signal.SIGINT)

    def _run(self) -> int:
        say = print if is_first() else lambda *_: None
        with quiet_decoders() as messages, contextlib.ExitStack() as held:
            photographs = Photographs(
                self.data,
                split=self.split,
                directory=self.directory,
                size=self.size,
                count=self.count,
            )
            holes = self._holes(photographs)
            methods = self._methods(holes, photographs)
            scorer, missing, weights = load_scorer(self.features, self.batch_size)
            rank_by = self._rank_by(scorer)
            for title, reason in missing.items():
                say(f"without {title}: {reason}")

            def open_records() -> Records:
                return Records(
                    self.output,
                    self._common(photographs, scorer, weights),
                    {h.name: h.identity for h in holes},
                    {m.name: m.identity for m in methods},
                )

            def open_first() -> Records:
                records = open_records()
                held.enter_context(records.locked())
                return records

            records = first_does(open_first) or open_records()
            share = jax.process_index(), jax.process_count()
            evaluation = Evaluation(
                photographs, holes, methods, scorer, records, self.batch_size, share
            )
            with StopRequest() as stop:
                parts = Parts(stop)
                with (
                    tqdm(
                        total=evaluation.total,
                        unit="picture",
                        file=messages,
                        disable=not is_first(),
                    ) as bar,
                    contextlib.suppress(Stopped),
                ):
                    evaluation.run(bar.update, parts.must_stop)
                parts.wait_for_all()
            if stop.signal is not None:
                say(f"stopped by {stop.signal.name}; the same command goes on from here")
                return 128 + stop.signal
            if not is_first():
                return 0
            columns = {
                h.name: {
                    m.name: records.load(h.name, m.name, range(len(evaluation.batches)))
                    for m in methods
                }
                for h in holes
            }
            print("working out the report")
            try:
                self._report(evaluation, records, columns, missing, rank_by)
            except KeyboardInterrupt:
                print("stopped; the same command works out the report anew")
                return 128 + signal.SIGINT
        return 0

    @property
    def _masks(self) -> tuple[str, ...]:
        return tuple(chain(*self.masks)) if self.masks else MASKS

    def _holes(self, photographs: Photographs) -> list[Holes]:
        holes = [parse_holes(text, self.seed, photographs.stems) for text in self._masks]
        advice = "folders need names of their own"
        _require_names("--masks", [h.name for h in holes], [PHOTOGRAPHS, EVERYTHING], advice)
        return holes

    def _methods(self, holes: Sequence[Holes], photographs: Photographs) -> list[Method]:
        methods: list[Method] = []
        for text in chain(*self.weights):
            name, path = name_and_path(text)
            methods.append(Network(name, path, self.options, self.dtype, self.device))
        only = holes[0].name if len(holes) == 1 else None
        for text in chain(*self.predictions):
            name, path = name_and_path(text)
            predictions = Predictions(name, path, only)
            predictions.check([h.name for h in holes], photographs.stems)
            methods.append(predictions)
        methods += [Baseline(name) for name in chain(*(self.baselines or (BASELINES,)))]
        names = [m.name for m in methods]
        _require_names("--weights, --predictions and --baselines", names, [], "use NAME=PATH")
        return methods

    def _rank_by(self, scorer: Scorer) -> str:
        there = [name for name in RANKED_BY if name in scorer.names]
        rank_by = self.rank_by or there[0]
        if rank_by not in scorer.names:
            raise EvaluationError(f"--rank-by {rank_by}: its network's weights aren't there")
        return rank_by

    def _common(
        self, photographs: Photographs, scorer: Scorer, weights: dict[str, str]
    ) -> dict[str, object]:
        """What every record depends on."""
        return {
            "data": self.data,
            "pictures": len(photographs),
            "files": photographs.files,
            "size": self.size,
            "split": self.split,
            "batch_size": self.batch_size,
            "figures": [*scorer.names, *([FEATURES] if scorer.has_features else [])],
            "weights": weights,
        }

    def _report(
        self,
        evaluation: Evaluation,
        records: Records,
        columns: dict[str, dict[str, Columns]],
        missing: dict[str, str],
        rank_by: str,
    ) -> None:
        numbers = next(iter(next(iter(columns.values())).values())).get("number")
        if numbers is None:
            raise EvaluationError(f"{self.data}: none of the pictures could be read")
        photographs, features = evaluation.photographs, {}
        if evaluation.scorer.has_features:
            real = records.load(PHOTOGRAPHS, FEATURES, range(len(evaluation.batches)))
            features = dict(zip(real["number"].tolist(), real[FEATURES], strict=True))
        summary = summarize(columns, features, self.draws)
        table = next(iter(summary.by_holes.values()))
        if not any(row["ms_ssim"].count + row["ms_ssim"].infinite for row in table.values()):
            small = f"pictures are smaller than {SMALLEST_MS_SSIM} pixels"
            missing = {**missing, "MS-SSIM": small}
        read = set(numbers.tolist())
        names = zip(photographs.numbers, photographs.names, strict=True)
        device = jax.local_devices()[0]
        about = About(
            {
                "pictures": f"{len(read)} of {self.data}",
                "size": "as they are" if self.size is None else f"{self.size[1]}x{self.size[0]}",
                "masks": f"{', '.join(self._masks)}; seed {self.seed}",
                "made": f"{datetime.date.today()}, jax_inpaint {jax_inpaint.__version__}, "
                f"jax {jax.__version__}, {device.device_kind} ({platform.machine()})",
                "command": shlex.join(["jax-inpaint", *sys.argv[1:]]),
            },
            {m.name: m.description for m in evaluation.methods},
            missing,
            [name for number, name in names if number not in read],
            rank_by,
        )
        write_report(self.output, evaluation, columns, summary, about)
        print(_outcome(summary))
        print(f"report: {self.output / 'report.html'}")


def _require_names(option: str, names: Sequence[str], taken: Sequence[str], advice: str) -> None:
    """Raises EvaluationError where names can't tell rows apart, or can't be folders."""
    if not names:
        raise EvaluationError(f"{option}: none given, so there is nothing to do")
    for name in names:
        if names.count(name) > 1:
            raise EvaluationError(f"{option}: {name} is there twice; {advice}")
        if not name or name.startswith(".") or "/" in name or "\\" in name or name in taken:
            raise EvaluationError(f"{option}: '{name}' can't be a name; {advice}")


def _outcome(summary: Summary) -> str:
    """A few figures of every method, as text."""
    table = next(iter(summary.by_holes.values()))
    width = max(map(len, table)) + 2
    lines = [f"{'':{width}}{'L1 %':>8}{'PSNR dB':>9}{'SSIM':>8}   in the hole"]
    for method, row in table.items():
        l1, psnr, ssim = (row[name].value for name in ("hole_l1", "hole_psnr", "hole_ssim"))
        lines.append(f"{method:{width}}{100 * l1:8.2f}{psnr:9.2f}{ssim:8.3f}")
    return "\n".join(lines)
