"""A gated U-Net in a single stage on Places2, with perceptual and style losses.

Reproduces: nothing published. The network is of the family that public ports train in place of
DeepFillv2's two stages; the discriminator and the masks are DeepFillv2's; the weights L1 1,
perceptual 0.1, style 250 and adversarial 0.01 are those of AOT-GAN, here on VGG16's first three
poolings. VGG16's weights are needed: see --features.vgg16.

Cost: not measured; a step looks at output and photograph through VGG16 besides the networks.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/gated_unet_places2.py

A decoder of resize-convolutions, should a grid of dots show: --generator.upsampling resize.

Expect: no number is published.
"""

from jax_inpaint.config import Config, DataConfig, GanConfig, ObjectiveConfig, TrainConfig
from jax_inpaint.losses.terms import L1, Adversarial, Perceptual, Style
from jax_inpaint.models.gated_unet import GatedUNetConfig
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

config = Config(
    workdir="runs/gated_unet_places2",
    generator=GatedUNetConfig(width=64, upsampling="transposed"),
    discriminator=SNPatchGANConfig(width=64),
    objective=ObjectiveConfig(
        terms=(L1(1.0), Perceptual(0.1), Style(250.0), Adversarial(0.01)),
        gan=GanConfig(loss="hinge"),
    ),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    train=TrainConfig(steps=1_000_000, batch_size=16, validation_images=512),
)
