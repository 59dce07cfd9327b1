"""DeepFillv2 on Places2 for a slice of 16 TPU v5e chips: width 32, bfloat16, 8 images a chip.

Reproduces: nothing published, and nobody has trained it. It is the recipe of
configs/deepfillv2_places2.py with the official number of images, in eight times larger batches;
learning rates grow by the root of that, after a warm-up.

    jax-inpaint plan --config configs/deepfillv2_places2_tpu.py --topology v5e:4x4
    python train.py --config configs/deepfillv2_places2_tpu.py

Cost: not measured. What the plan (`--search 0`; jax 0.10.2, libtpu 0.0.42.1) says of a chip and a
step: 2.7 of 15.75 GiB, 2.15 TFLOP (269 GFLOP an image), 135 million cycles by the compiler's own
estimate, and three all-reduces of 39 MB together. Without `--search 0` it also looks for the
largest batch that fits.

16 chips have several hosts, on each of which the same command is started (docs/scaling.md). The 8
chips of one host (v5e:2x4) take the same batch at 16 images a chip.

Why width 32: a TPU computes with 128 channels at a time. The layers at a quarter of the size, half
of all work, have 96 channels in and 192 out at the official width of 24, which fills 56 % of a
matrix unit; 128 and 256 at 32 fill it whole.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    GanConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

config = Config(
    workdir="runs/deepfillv2_places2_tpu",
    generator=DeepFillV2Config(width=32, compute_dtype="bfloat16"),
    discriminator=SNPatchGANConfig(width=64),
    objective=ObjectiveConfig(
        terms=(L1(1.0, "coarse"), L1(1.0, "refined"), Adversarial(1.0)), gan=GanConfig(loss="hinge")
    ),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    # Eight times the official batch: learning rates grow by its root, from 0.
    generator_optimizer=OptimizerConfig(learning_rate=2.8e-4, warmup_steps=1000),
    discriminator_optimizer=OptimizerConfig(learning_rate=2.8e-4, warmup_steps=1000),
    train=TrainConfig(steps=125_000, batch_size=128, validation_images=512),
)
