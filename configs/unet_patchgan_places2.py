"""A U-Net with an attention bottleneck against PatchGAN at two scales, on Places2.

Reproduces: nothing published. Network and discriminators follow pix2pix and pix2pixHD: L1 to
adversarial 100 : 1, least squares, instance norm, Adam 2e-4 (0.5, 0.999); perceptual loss and total
variation on the hole dilated by a pixel are added as for inpainting (Liu et al., 2018). VGG16's
weights are needed: see --features.vgg16.

Cost: not measured; a step looks at output and photograph through VGG16 besides the networks.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/unet_patchgan_places2.py
    python train.py --config configs/unet_patchgan_places2.py --discriminator.scales 1

Expect: no number is published.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    GanConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Adversarial, Perceptual, TotalVariation
from jax_inpaint.models.patchgan import PatchGANConfig
from jax_inpaint.models.unet_patchgan import AttentionUNetConfig

config = Config(
    workdir="runs/unet_patchgan_places2",
    generator=AttentionUNetConfig(width=64),
    discriminator=PatchGANConfig(width=64, layers=3, scales=2, norm="instance", condition="mask"),
    objective=ObjectiveConfig(
        terms=(L1(1.0), Perceptual(0.1), TotalVariation(0.1), Adversarial(0.01)),
        gan=GanConfig(loss="least_squares"),
    ),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    generator_optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999),
    discriminator_optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999),
    train=TrainConfig(steps=1_000_000, batch_size=16, validation_images=512),
)
