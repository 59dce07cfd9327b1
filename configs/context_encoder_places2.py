"""A context encoder on Places2: squared error in a box, and an adversarial loss a thousandth of it.

Reproduces: the losses of Pathak et al. (2016): 0.999 * squared error in the hole + 0.001 *
adversarial (binary cross-entropy), Adam (0.5, 0.999) with 2e-4 for the discriminator and ten times
as much for the generator. They trained on ImageNet and Paris StreetView at 128x128; what differs in
the network, so that it takes any size and hole, is in jax_inpaint/models/context_encoder.py. The
discriminator judges patches, and sees the photograph with its hole beside each of them.

Cost: not measured; the lightest of these systems.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/context_encoder_places2.py

Free-form holes: --masks.kind union.

Expect: no number is published for Places2; results are soft, as the paper's.
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
from jax_inpaint.losses.terms import MSE, Adversarial
from jax_inpaint.models.context_encoder import ContextEncoderConfig
from jax_inpaint.models.patchgan import PatchGANConfig

config = Config(
    workdir="runs/context_encoder_places2",
    generator=ContextEncoderConfig(width=64),
    discriminator=PatchGANConfig(width=64, layers=4, norm="batch", condition="masked_image"),
    objective=ObjectiveConfig(
        terms=(MSE(0.999, region="hole", mean="region"), Adversarial(0.001)),
        gan=GanConfig(loss="bce"),
    ),
    masks=MaskConfig(kind="box"),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=1.0, threads=16),
    generator_optimizer=OptimizerConfig(learning_rate=2e-3, beta1=0.5, beta2=0.999),
    discriminator_optimizer=OptimizerConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999),
    train=TrainConfig(steps=500_000, batch_size=64, validation_images=512),
)
