"""The exact DeepFillv2 system, narrower and at 64x64, in minutes on two CPU cores.

Reproduces: nothing published. It shows the whole system at work on the photographs that ship inside
scikit-image: seven to learn from, two held out.

    python train.py
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)

config = Config(
    workdir="runs/quickstart",
    generator=GeneratorConfig(width=16),
    discriminator=DiscriminatorConfig(width=32),
    data=DataConfig(source="photographs", size=(64, 64)),
    objective=ObjectiveConfig(adversarial=0.1),
    generator_optimizer=OptimizerConfig(learning_rate=5e-4, schedule="cosine", warmup_steps=20),
    discriminator_optimizer=OptimizerConfig(learning_rate=5e-4, schedule="cosine"),
    train=TrainConfig(
        steps=500,
        batch_size=8,
        ema_decay=0.98,
        log_every=10,
        image_every=100,
        checkpoint_every=100,
        validation_images=32,
    ),
)
