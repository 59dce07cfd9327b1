"""DeepFillv1 on Places2 as its authors trained it.

Reproduces: the official recipe (Yu et al., CVPR 2018, and the released inpaint.yml of v1.0.0):
width 32, 256x256 images, one box of 96 to 128 pixels a side, spatially discounted L1 in the window
of 128x128 around it, L1 on known pixels, two WGAN critics with a masked gradient penalty of 10, and
five steps of the critics for one of the generator; Adam 1e-4 (0.5, 0.9), batch 16. The first
stage's terms count 1.2 times the second's, 1.44 = 1.2 * 1.2. Every image has a box of its own; the
authors drew one for the batch.

A million updates of the generator are five million steps here, where the critics learn at each.

Cost: the authors' code ran 0.4 updates of the generator a second on a TITAN Xp.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/deepfillv1_places2.py

For faces, add: --data.source tfds:celeb_a --data.crop resize --workdir runs/deepfillv1_celeba

Expect (another implementation's figures on Places365, square holes, 3.5 million steps of 8 GPUs,
mmagic): hole L1 11.0 %, PSNR 23.4, SSIM 0.862.
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
from jax_inpaint.losses.terms import L1, Adversarial, DiscountedL1
from jax_inpaint.models.deepfillv1 import DeepFillV1Config
from jax_inpaint.models.global_local import GlobalLocalCriticsConfig

config = Config(
    workdir="runs/deepfillv1_places2",
    generator=DeepFillV1Config(width=32),
    discriminator=GlobalLocalCriticsConfig(width=64, window=0.5),
    objective=ObjectiveConfig(
        terms=(
            DiscountedL1(1.44, "coarse", gamma=0.9, size=0.5),
            DiscountedL1(1.2, "refined", gamma=0.9, size=0.5),
            L1(1.44, "coarse", region="known", mean="region"),
            L1(1.2, "refined", region="known", mean="region"),
            Adversarial(0.001),
        ),
        gan=GanConfig(loss="wasserstein", gradient_penalty=10.0, penalty_region="hole"),
        n_critic=5,
    ),
    masks=MaskConfig(kind="box", box_size=(128, 128), box_jitter=32),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    generator_optimizer=OptimizerConfig(learning_rate=1e-4, beta1=0.5, beta2=0.9),
    discriminator_optimizer=OptimizerConfig(learning_rate=1e-4, beta1=0.5, beta2=0.9),
    train=TrainConfig(steps=5_000_000, batch_size=16, validation_images=512),
)
