"""A DeepFillv2 experiment that is small enough for tests."""

import dataclasses
from typing import Any

from jax_inpaint.config import Config, DataConfig, ObjectiveConfig, TrainConfig
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig

OFFICIAL = ObjectiveConfig(terms=(L1(1.0, "coarse"), L1(1.0, "refined"), Adversarial(1.0)))

SMALL = Config(
    generator=DeepFillV2Config(width=4),
    discriminator=SNPatchGANConfig(width=4),
    objective=OFFICIAL,
    data=DataConfig(size=(32, 32)),
    train=TrainConfig(batch_size=4, steps=10),
)


def small(**sections: Any) -> Config:
    """:data:`SMALL` with other sections."""
    return dataclasses.replace(SMALL, **sections)
