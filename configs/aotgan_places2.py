"""AOT-GAN on Places2 at 512x512 as its authors trained it, with the labels the right way round.

Reproduces: the official code's defaults (Zeng et al., TVCG 2022): 8 blocks, L1 + 250 * style +
0.1 * perceptual + 0.01 * adversarial, Adam 1e-4 (0.5, 0.999), batch 8, a million steps.

It departs where the code contradicts the paper: there a photograph's target is 0 and a composite's
the blurred hole, while the generator aims for 1 everywhere, and the discriminator also takes the
generator's gradient. Here, as in the paper, a photograph's target is 1, a composite's is 1 outside
the hole and falls to 0 inside, and the generator aims for 1 in the hole.

Needs the photographs (Places365-Standard, high resolution) under data/places365_large, and
torchvision's VGG19 (config section features says where). The authors' masks are NVIDIA's irregular
ones: with them in a folder, --masks.kind folder --masks.folder FOLDER.

Cost: not published.

    python train.py --config configs/aotgan_places2.py

Expect (paper, Places2, masks of 50 to 60 %): L1 7.07 %, PSNR 19.01, SSIM 0.682. (mmagic's
reimplementation, which counts L1 over the hole alone: 10.16 %, 20.05, 0.739.)
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    GanConfig,
    MaskConfig,
    ObjectiveConfig,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Adversarial, Perceptual, Style
from jax_inpaint.models.aotgan import AOTGANConfig
from jax_inpaint.models.patchgan import PatchGANConfig

config = Config(
    workdir="runs/aotgan_places2",
    generator=AOTGANConfig(width=64, blocks=8),
    discriminator=PatchGANConfig(
        width=64,
        layers=3,
        padding=1,
        norm="none",
        spectral_norm=True,
        unnormalized=("logits",),
    ),
    objective=ObjectiveConfig(
        terms=(
            L1(1.0),
            Style(250.0, network="vgg19", layers=("relu2_2", "relu3_4", "relu4_4", "relu5_2")),
            Perceptual(
                0.1,
                network="vgg19",
                layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
            ),
            Adversarial(0.01, region="hole"),
        ),
        gan=GanConfig(loss="least_squares", fake_target="soft_hole"),
    ),
    masks=MaskConfig(kind="irregular", coverage=(0.01, 0.6)),
    data=DataConfig(
        source="folder:data/places365_large/train",
        validation_source="folder:data/places365_large/val",
        size=(512, 512),
        min_area=0.08,
        stretch=0.33,
        color_jitter=0.1,
        threads=16,
    ),
    train=TrainConfig(steps=1_000_000, batch_size=8, validation_images=512),
)
