"""The partial-convolution U-Net on Places2: 500,000 steps, then as many of fine-tuning.

Reproduces: Liu et al. (2018) at 256x256, as its public PyTorch port trains it: 7 levels, the
paper's objective (known 1, hole 6, perceptual 0.05, style 120, total variation 0.1 on the hole
dilated by a pixel), Adam 2e-4, batch 16; fine-tuning at 5e-5 with the encoder's batch norm frozen.
Here colours are in [-1, 1], and the masks are mmagic's irregular strokes; the port's are
--masks.kind walk --masks.coverage 0 1. For the paper's 512x512: --generator.levels 8
--data.size 512 512. VGG16's weights are needed: see --features.vgg16.

Cost: a million steps of 16 images, each seen by VGG16 three times.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/partial_unet_places2.py

Expect (another implementation's figures for this architecture on Places365, free-form masks,
mmagic): hole L1 8.8 %, PSNR 22.8, SSIM 0.80.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    MaskConfig,
    ObjectiveConfig,
    OptimizerConfig,
    Phase,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Perceptual, Style, TotalVariation
from jax_inpaint.models.partial_unet import PartialUNetConfig

config = Config(
    workdir="runs/partial_unet_places2",
    generator=PartialUNetConfig(width=64, levels=7),
    discriminator=None,
    objective=ObjectiveConfig(
        terms=(
            L1(1.0, "output", region="known", mean="image"),
            L1(6.0, "output", region="hole", mean="image"),
            Perceptual(0.05, "output"),
            Perceptual(0.05, "composite"),
            Style(120.0, "output"),
            Style(120.0, "composite"),
            TotalVariation(0.1, "composite", region="dilated_hole"),
        ),
        phases=(
            Phase(until=500_000),
            Phase(until=0, learning_rate_scale=0.25, freeze_encoder_norm=True),
        ),
    ),
    masks=MaskConfig(kind="irregular", coverage=(0.15, 0.65)),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    generator_optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.9, beta2=0.999),
    train=TrainConfig(steps=1_000_000, batch_size=16, validation_images=512),
)
