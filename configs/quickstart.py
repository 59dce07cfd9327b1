"""The exact DeepFillv2 system, narrower and at 64x64, in minutes on two CPU cores.

Reproduces: nothing published. It shows the whole system at work on the photographs that ship inside
scikit-image: seven to learn from, two held out. To get there within a thousand steps instead of a
million it departs from the official recipe: a higher learning rate that falls to 0, first kernels
large enough to carry signals through the gates, a lighter adversarial loss, and random colours,
because seven photographs don't have many.

    python train.py

Cost and figures to expect: README.md.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

config = Config(
    workdir="runs/quickstart",
    generator=DeepFillV2Config(width=16),
    discriminator=SNPatchGANConfig(width=32),
    data=DataConfig(
        source="photographs", size=(64, 64), min_area=0.03, color_jitter=1.0, threads=2
    ),
    objective=ObjectiveConfig(terms=(L1(1.0, "coarse"), L1(1.0, "refined"), Adversarial(0.02))),
    generator_optimizer=OptimizerConfig(
        learning_rate=1e-3, beta1=0.9, schedule="cosine", warmup_steps=20
    ),
    discriminator_optimizer=OptimizerConfig(learning_rate=2e-4, schedule="cosine"),
    train=TrainConfig(
        steps=1000,
        batch_size=4,
        initial_gain=2.4,
        ema_decay=0.98,
        log_every=10,
        image_every=250,
        checkpoint_every=250,
        validation_images=32,
    ),
)
