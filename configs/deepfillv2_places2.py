"""DeepFillv2 on Places2 as its authors trained it.

Reproduces: the official recipe (Yu et al., ICCV 2019, and the released inpaint.yml): width 24,
256x256 images, box and brush masks, L1 and hinge losses 1 : 1, Adam 1e-4 (0.5, 0.999), batch 16.
Where it departs on purpose is listed in docs/architecture.md under "Departures".

Cost: the authors trained for about 5 days on one GPU.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/deepfillv2_places2.py

Expect (another implementation's figure for this architecture on Places365, free-form masks, 100k
steps of 8 GPUs x 2 images, mmagic): hole L1 8.6 %. The discriminator's loss settles near 1, which
is the hinge loss at chance: that isn't a fault. If the coarse stage stays grey, try
--objective.terms.2.weight 0.1.
"""

from jax_inpaint.config import Config, DataConfig, GanConfig, ObjectiveConfig, TrainConfig
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

config = Config(
    workdir="runs/deepfillv2_places2",
    generator=DeepFillV2Config(width=24),
    discriminator=SNPatchGANConfig(width=64),
    objective=ObjectiveConfig(
        terms=(L1(1.0, "coarse"), L1(1.0, "refined"), Adversarial(1.0)), gan=GanConfig(loss="hinge")
    ),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    train=TrainConfig(steps=1_000_000, batch_size=16, validation_images=512),
)
