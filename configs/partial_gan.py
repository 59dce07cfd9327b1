"""A partial-convolution GAN on Places2: a small generator, three discriminators with attention.

Reproduces: nothing published. It is the recipe that systems of this kind share: partial
convolutions in the generator, cross-entropy GAN loss plus 10 x L1, and discriminators with
self-attention at three scales, here with spectral norm. For least squares instead of cross-entropy:
--objective.gan.loss least_squares.

Cost: half a million steps of 16 images; the generator has less than a third of the parameters of
the partial U-Net, and no feature network looks at its pictures.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/partial_gan.py

Expect: no figure is published. The discriminators' losses add up to 6 log 2 = 4.16 at chance. Where
they fall to 0 the generator learns from L1 alone, and pictures stay soft: try a lower
--discriminator_optimizer.learning_rate.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    GanConfig,
    MaskConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.partial_gan import PartialGANConfig
from jax_inpaint.models.patchgan import PatchGANConfig

config = Config(
    workdir="runs/partial_gan",
    generator=PartialGANConfig(width=32, blocks=4),
    discriminator=PatchGANConfig(
        width=64, layers=3, scales=3, norm="none", spectral_norm=True, self_attention=True
    ),
    objective=ObjectiveConfig(
        terms=(L1(10.0, "output"), Adversarial(1.0)), gan=GanConfig(loss="bce")
    ),
    masks=MaskConfig(kind="irregular", coverage=(0.15, 0.65)),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    generator_optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999),
    discriminator_optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999),
    train=TrainConfig(steps=500_000, batch_size=16, validation_images=512),
)
