"""LaMa-Fourier on Places2 as its authors trained it, and Big LaMa with two options.

Reproduces: configs/training/lama-fourier.yaml of the official code (Suvorov et al., WACV 2022): 9
residual blocks, 256x256 crops of large photographs, wide masks, batch 30, a million steps, and
10 * L1 on known pixels + 10 * adversarial + 100 * feature matching + 30 * perceptual, with R1 at
0.001. Those weights are for images in [0, 1]; in [-1, 1], where differences are twice as large and
gradients half, they are 5 for L1 and 0.004 for R1.

It departs in augmentation: crops of random size, mirrored, with slightly other colours, instead of
perspective, rotation, shear, lens distortion and CLAHE.

Needs the photographs (Places365-Standard, high resolution) under data/places365_large, and CSAIL's
ADE20K encoder encoder_epoch_20.pth (config section features says where).

Cost: not published for this size; the authors trained Big LaMa for about 240 hours on 8 V100.

    python train.py --config configs/lama_places2.py
    python train.py --config configs/lama_places2.py --generator.blocks 18 --train.batch-size 120

Expect (paper, table 1: 30 000 Places images of 512x512): FID 0.63 and LPIPS 0.090 with narrow
masks, 2.21 and 0.135 with wide ones.
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
from jax_inpaint.losses.terms import L1, Adversarial, FeatureMatching, Perceptual
from jax_inpaint.models.lama import LaMaConfig
from jax_inpaint.models.patchgan import PatchGANConfig

config = Config(
    workdir="runs/lama_places2",
    generator=LaMaConfig(width=64, blocks=9),
    discriminator=PatchGANConfig(width=64, layers=4, norm="batch"),
    objective=ObjectiveConfig(
        terms=(
            L1(5.0, region="known"),
            Adversarial(10.0, "output"),
            FeatureMatching(100.0, "output", distance="l2"),
            Perceptual(
                30.0,
                network="resnet50_dilated",
                layers=("layer1", "layer2", "layer3", "layer4"),
                distance="l2",
            ),
        ),
        gan=GanConfig(loss="bce", fake_target="hole", r1=0.004),
    ),
    masks=MaskConfig(kind="wide"),
    data=DataConfig(
        source="folder:data/places365_large/train",
        validation_source="folder:data/places365_large/val",
        size=(256, 256),
        min_area=0.15,
        color_jitter=0.1,
        threads=16,
    ),
    generator_optimizer=OptimizerConfig(learning_rate=1e-3, beta1=0.9, clip_norm=1.0),
    discriminator_optimizer=OptimizerConfig(learning_rate=1e-4, beta1=0.9, clip_norm=1.0),
    # shard_map: under jit the compiler would make every device transform the whole batch.
    train=TrainConfig(steps=1_000_000, batch_size=30, parallel="shard_map", validation_images=512),
)
