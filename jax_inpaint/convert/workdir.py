"""The averaged generator of one of our own runs, at any step that is still saved."""

from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

from jax_inpaint.config import from_dict
from jax_inpaint.convert.kinds import Converted, ConvertError
from jax_inpaint.models import GENERATORS
from jax_inpaint.weights import variable_shapes


def convert_workdir(workdir: Path, step: int | None = None) -> Converted:
    """Reads the generator that validation measures from a checkpoint of the run.

    Args:
        workdir: what the run was trained with.
        step: of the checkpoint; None for the last one.

    Raises:
        ConvertError: if no checkpoint is saved there, not the one of that step, or it can't be
            read.
    """
    folder = (workdir / "checkpoints").absolute()
    with ocp.CheckpointManager(
        folder, options=ocp.CheckpointManagerOptions(create=False)
    ) as manager:
        steps = sorted(manager.all_steps())
        if not steps:
            raise ConvertError(f"{workdir} holds no complete checkpoint yet")
        step = steps[-1] if step is None else step
        if step not in steps:
            saved = ", ".join(map(str, steps))
            raise ConvertError(f"{workdir} holds no checkpoint of step {step}; steps {saved} are")
        try:
            args = ocp.args.Composite(config=ocp.args.JsonRestore())
            experiment = manager.restore(step, args=args)["config"]
            values, (height, width) = dict(experiment["generator"]), experiment["data"]["size"]
            config = from_dict(GENERATORS[values.pop("architecture")], values)
            template = {
                collection: traverse_util.unflatten_dict(
                    {
                        name: jax.ShapeDtypeStruct(shape, np.float32)
                        for name, shape in names.items()
                    },
                    sep=".",
                )
                for collection, names in variable_shapes(config).items()
            }
            state = ocp.args.PyTreeRestore(
                item={"ema": template},
                # As NumPy arrays it doesn't matter on how many devices the run was trained.
                restore_args=jax.tree.map(
                    lambda _: ocp.RestoreArgs(restore_type=np.ndarray), {"ema": template}
                ),
                partial_restore=True,
            )
            restored = manager.restore(step, args=ocp.args.Composite(state=state))
        # Damage surfaces as whatever the storage stumbles over.
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ConvertError(f"{folder / str(step)} can't be read ({reason[0]})") from error
    return Converted(
        f"a training run at step {step}", config, restored["state"]["ema"], (height, width)
    )
