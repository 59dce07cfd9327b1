"""The averaged generator of one of our own runs, at any step that is still saved."""

from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

from jax_inpaint.config import from_dict
from jax_inpaint.convert.kinds import Converted, ConvertError
from jax_inpaint.models import GENERATORS
from jax_inpaint.training.manifest import DamagedError, verify
from jax_inpaint.training.workdir import saved_steps
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
    steps = saved_steps(workdir)
    if not steps:
        raise ConvertError(f"{workdir} holds no complete checkpoint yet")
    saved = ", ".join(map(str, steps))
    step = steps[-1] if step is None else step
    if step not in steps:
        raise ConvertError(f"{workdir} holds no checkpoint of step {step}; steps {saved} are")
    folder = (workdir / "checkpoints" / str(step)).absolute()
    try:
        verify(folder)
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
            args = ocp.args.Composite(config=ocp.args.JsonRestore())
            experiment = reader.restore(folder, args=args)["config"]
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
            restored = reader.restore(folder, args=ocp.args.Composite(state=state))
    except DamagedError as error:
        raise ConvertError(f"{error}; checkpoints are saved of steps {saved} (--step)") from error
    # A run that goes on may delete what is being read, and Orbax raises whatever it stumbles over.
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ConvertError(f"{folder} can't be read ({reason[0]})") from error
    return Converted(
        f"a training run at step {step}", config, restored["state"]["ema"], (height, width)
    )
