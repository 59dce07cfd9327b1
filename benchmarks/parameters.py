"""How many parameters the networks of each config have.

python -m benchmarks.parameters
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jax_inpaint.config import load_config

CONFIGS = Path(__file__).parent.parent / "configs"


def count(network: Any, size: tuple[int, int], sketch: bool) -> int:
    """Parameters of a network on images of a size; running statistics don't count."""
    image, mask = jnp.zeros((1, *size, 3)), jnp.zeros((1, *size, 1))
    guide = mask if sketch else None
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, mask, guide)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def main() -> None:
    """Print a row for each config."""
    print("| config | generator | parameters | discriminator | parameters |")
    print("|---|---|---|---|---|")
    for path in sorted(CONFIGS.glob("*.py")):
        config = load_config(path)
        size, sketch = config.data.size, config.generator.takes_sketch
        generator = count(config.generator.build(), size, sketch)
        row = [path.stem, config.generator.architecture, f"{generator:,}"]
        if config.discriminator:
            judge = count(config.discriminator.build(jnp.float32), size, sketch)
            row += [config.discriminator.architecture, f"{judge:,}"]
        else:
            row += ["none", ""]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
