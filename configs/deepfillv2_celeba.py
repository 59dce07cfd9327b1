"""DeepFillv2 on CelebA faces.

Reproduces: the official recipe of configs/deepfillv2_places2.py on the aligned faces of CelebA
(218x178), squeezed to 256x256 as the authors do with faces instead of cropped.

Cost: as Places2, about 5 days on one GPU by the authors' word; faces look right much earlier.

    tfds build celeb_a --file_format=array_record
    python train.py --config configs/deepfillv2_celeba.py

Expect: faces may look collapsed for the first 16,000 steps or so and then recover.
"""

from jax_inpaint.config import Config, DataConfig, GanConfig, ObjectiveConfig, TrainConfig
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

config = Config(
    workdir="runs/deepfillv2_celeba",
    generator=DeepFillV2Config(width=24),
    discriminator=SNPatchGANConfig(width=64),
    objective=ObjectiveConfig(
        terms=(L1(1.0, "coarse"), L1(1.0, "refined"), Adversarial(1.0)), gan=GanConfig(loss="hinge")
    ),
    data=DataConfig(source="tfds:celeb_a", size=(256, 256), crop="resize", threads=16),
    train=TrainConfig(steps=1_000_000, batch_size=16, validation_images=512),
)
