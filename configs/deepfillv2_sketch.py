"""DeepFillv2, twice as wide and guided by a sketch, on Places2.

Reproduces: the user-guided variant of Yu et al. (2019), section 4.4, with the official recipe: a
sixth input channel holds lines, cut to the hole, which the discriminator sees too. The official
lines come from a network (HED) that was run beforehand; here they are Canny edges, found while
training (``sketch``). A fifth of the images come without, so that the same weights fill without a
sketch. Width 48 gives each layer twice the paper's channels.

Cost: four times the multiplications of configs/deepfillv2_places2.py.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/deepfillv2_sketch.py
    jax-inpaint fill PHOTO MASK --sketch LINES -o OUT --weights runs/deepfillv2_sketch

Expect: no published number; no guided checkpoint was ever released.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    GanConfig,
    ObjectiveConfig,
    SketchConfig,
    TrainConfig,
)
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

config = Config(
    workdir="runs/deepfillv2_sketch",
    generator=DeepFillV2Config(width=48, sketch=True),
    discriminator=SNPatchGANConfig(width=64),
    objective=ObjectiveConfig(
        terms=(L1(1.0, "coarse"), L1(1.0, "refined"), Adversarial(1.0)), gan=GanConfig(loss="hinge")
    ),
    sketch=SketchConfig(left_out=0.2),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    train=TrainConfig(steps=1_000_000, batch_size=16, validation_images=512),
)
