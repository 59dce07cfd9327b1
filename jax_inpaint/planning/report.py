"""A plan in words and tables."""

from collections.abc import Iterator, Sequence

from jax_inpaint.config import Config
from jax_inpaint.planning.compilation import Program, TooLarge
from jax_inpaint.planning.layers import Product
from jax_inpaint.planning.scaling import Assumptions, Scale
from jax_inpaint.planning.topology import LANES, Chip, Topology

_EXCHANGES = {
    "all-reduce": "sums over all chips, of gradients and metrics",
    "all-gather": "every chip gets the parts of all",
    "reduce-scatter": "sums over all chips, of which each keeps a part",
    "all-to-all": "every chip sends every other a part of its own",
    "collective-permute": "chips pass arrays on to others",
}


def table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Indented lines whose columns are aligned, those named in ``left`` to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def gib(size: int) -> str:
    """Bytes as GiB."""
    return f"{size / 2**30:.2f} GiB"


def share(part: float | int, whole: float | int) -> str:
    """A part of something in per cent."""
    return f"{100 * part / whole:.0f} %"


def about_memory(program: Program, chip: Chip) -> Iterator[str]:
    """Where the memory of a chip goes."""
    yield "memory of each chip"
    rows = [
        ("state and images", gib(program.arguments), "parameters, optimisers, averages; the batch"),
        ("working space", gib(program.working), "what gradients need again, and buffers"),
        ("program", gib(program.code), ""),
        ("together", gib(program.memory), f"of {gib(chip.memory)} that a program may use"),
    ]
    yield from table(rows, left=(0, 2))


def about_batches(tried: Sequence[Program | TooLarge], chip: Chip, whose: str) -> Iterator[str]:
    """The batches that were compiled, and the largest that fits; ``whose``: such as "a chip"."""
    yield f"images {whose}: what was tried"
    rows = [("", "memory", "cycles an image")]
    for program in sorted(tried, key=lambda program: program.batch):
        if isinstance(program, Program):
            cycles = "-"
            if program.cycles and program.parts == 1:
                cycles = f"{program.cycles / program.images / 1e6:.2f} M"
            rows.append((f"{program.batch}", gib(program.memory), cycles))
        else:
            rows.append((f"{program.batch}", f"{gib(program.memory)} or more", "doesn't fit"))
    yield from table(rows, left=())
    fitting = [program.batch for program in tried if isinstance(program, Program)]
    if fitting:
        yield f"  the largest that was found to fit into {gib(chip.memory)}: {max(fitting)}"
    else:
        yield "  none of them fits; less memory is needed by smaller images or narrower networks"


def about_work(program: Program, topology: Topology) -> Iterator[str]:
    """Arithmetic of a step, its least time, and the compiler's estimate."""
    yield "a step"
    if program.parts > 1:
        yield "  what it computes is in a loop over a batch's parts, which the compiler counts once"
        return
    peak = topology.chip.peak
    rows = [
        (
            "arithmetic",
            f"{program.flops / 1e12:.3f} TFLOP a chip",
            f"{program.flops * topology.chips / 1e12:.1f} on all {topology.chips}, "
            f"{program.flops / program.images / 1e9:.1f} GFLOP an image; as XLA counts them, "
            "loops as if they turned once",
        ),
        (
            "least time",
            f"{1e3 * program.flops / peak:.1f} ms",
            f"at {peak / 1e12:.0f} TFLOP/s, the chip's peak in bfloat16, which no step reaches",
        ),
    ]
    if program.cycles:
        rows.append(
            (
                "compiler's estimate",
                f"{program.cycles / 1e6:.1f} M cycles",
                "of all operations, loops as if they turned once; to compare settings by, "
                "it isn't a measurement",
            )
        )
    yield from table(rows, left=(0, 2))


def about_exchanges(program: Program) -> Iterator[str]:
    """What chips send one another."""
    of_parts = ", those of each part of a batch counted once" if program.parts > 1 else ""
    yield f"exchanges between chips in a step{of_parts}"
    if not program.exchanges:
        yield "  none"
        return
    rows = [
        (kind, f"{found.count}", f"{found.bytes / 1e6:.2f} MB", _EXCHANGES.get(kind, ""))
        for kind, found in program.exchanges.items()
    ]
    yield from table(rows, left=(0, 3))


def about_settings(compiled: Sequence[tuple[str, Program | TooLarge]], chip: Chip) -> Iterator[str]:
    """Memory with the config's own settings, first, and with each of others."""
    yield "memory of each chip by settings, for as many images on all chips"
    heads = ("settings", "state, images", "working space", "together", "saved")
    rows = [(*heads, "arithmetic", "cycles", "sent")]
    plain = compiled[0][1]
    for name, program in compiled:
        saved = f"{100 - 100 * program.memory / plain.memory:.0f} %" if program != plain else ""
        if isinstance(program, TooLarge):
            rows.append((name, "", "", f"{gib(program.memory)} or more", "", "", "", ""))
            continue
        sent = sum(found.bytes for found in program.exchanges.values())
        work = (
            f"{program.flops / 1e12:.2f} TFLOP",
            f"{program.cycles / 1e6:.1f} M" if program.cycles else "-",
            f"{sent / 1e6:.1f} MB",
        )
        if program.parts > 1:
            work = "-", "-", "-"
        sizes = gib(program.arguments), gib(program.working), gib(program.memory)
        rows.append((name, *sizes, saved if isinstance(plain, Program) else "", *work))
    yield from table(rows)


def about_scaling(
    scales: Sequence[Scale], assumed: Assumptions, program: Program, config: Config, epoch: int
) -> Iterator[str]:
    """What a run would gain from more chips, each with as many images, and what limits it."""
    yield f"more chips with {program.batch} images each: a simulation, nothing of it measured"
    heads = ("chips", "images/s", "efficiency", "step", "computing", "slowest", "sums", "reading")
    seen = config.train.steps * config.train.batch_size
    rows: list[tuple[str, ...]] = [(*heads, "read by a host", "an epoch", "the run", "limited by")]
    for scale in scales:
        rate = scale.images / scale.step
        times = (scale.compute, scale.slowest, scale.exchange, scale.input)
        rows.append(
            (
                f"{scale.chips:,}",
                f"{rate:,.0f}",
                share(scale.compute, scale.step),
                f"{1e3 * scale.step:.1f} ms",
                *(share(time, scale.step) for time in times),
                f"{scale.host_bytes / scale.step / 1e6:.0f} MB/s",
                f"{epoch / rate / 60:.1f} min",
                f"{-(-seen // scale.images):,} steps, {seen / rate / 3600:.1f} h",
                scale.limit,
            )
        )
    yield from table(rows, left=())
    yield (
        f"  assumed: chips reach {100 * assumed.utilization:.1f} % of their peak and vary by "
        f"{share(assumed.jitter, 1)}; a virtual CPU reads"
    )
    yield (
        f"  {assumed.reading:.0f} photographs a second, {assumed.readers} of a host do; "
        f"{1e3 * assumed.stalls:.0f} batch in 1,000 of a host comes {assumed.stall:.0f} s late, "
        f"and {assumed.ahead} are read ahead"
    )


def about_padding(products: dict[str, list[Product]], chip: Chip) -> Iterator[str]:
    """How well each layer's channels fill a TPU's registers and matrix units."""
    unit = chip.matrix_unit
    yield f"channels of each layer: {LANES} lie side by side, {unit}x{unit} are multiplied at once;"
    yield "what isn't filled is padding (layers with equal channels share a line)"
    rows = [("network", "layer", "in", "out", "lanes filled", "multiplier filled", "work")]
    for network, layers in products.items():
        total = sum(layer.flops for layer in layers)
        alike: dict[tuple[int, int], list[Product]] = {}
        for layer in layers:
            alike.setdefault((layer.inputs, layer.outputs), []).append(layer)
        for (inputs, outputs), group in alike.items():
            names = list(dict.fromkeys(layer.layer for layer in group))
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            rows.append(
                (
                    network,
                    names[0] + more,
                    f"{inputs}",
                    f"{outputs}",
                    share(outputs, padded(outputs, LANES)),
                    share(inputs * outputs, padded(inputs, unit) * padded(outputs, unit)),
                    share(sum(layer.flops for layer in group), total),
                )
            )
    yield from table(rows, left=(0, 1))
    for network, layers in products.items():
        filled = sum(layer.flops for layer in layers)
        spent = sum(
            layer.flops
            * (padded(layer.inputs, unit) * padded(layer.outputs, unit))
            / (layer.inputs * layer.outputs)
            for layer in layers
        )
        padding = share(spent - filled, spent)
        yield f"  {network}: by channels alone, {padding} of what is multiplied is padding"


def padded(channels: int, tile: int) -> int:
    """The next multiple of a tile's size."""
    return -(-channels // tile) * tile


def about_run(config: Config, batch_size: int, images: int) -> Iterator[str]:
    """Steps and epochs of a run."""
    yield f"a run over {images:,} photographs"
    seen = config.train.steps * config.train.batch_size
    own = f"{config.train.steps:,} steps of {config.train.batch_size:,}"
    rows = [
        ("an epoch", f"{-(-images // batch_size):,} steps of {batch_size:,}"),
        ("the config's run", f"{own}, {seen / images:.1f} epochs"),
    ]
    if batch_size != config.train.batch_size:
        rows.append(("as many images", f"{-(-seen // batch_size):,} steps of {batch_size:,}"))
    yield from table(rows, left=(0, 1))
