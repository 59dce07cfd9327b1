"""GL-CIC on Places2 in the three phases of its paper.

Reproduces: Iizuka et al. (SIGGRAPH 2017): 256x256 images, one box of 96 to 128 pixels a side, batch
96, and three phases: the completion network alone on the squared error in the hole (90 000 steps),
the discriminator alone (10 000), both together (to 500 000) with 4e-4 of the adversarial loss. That
weight is for a squared error of images in [0, 1]; in [-1, 1] the error is four times as large, so
it counts a quarter.

It departs in the optimiser: Adam at 4e-4, as mmagic trains it, instead of Adadelta; and in what the
discriminator is shown as real: the photograph around the same hole, not around another. Crops of
two thirds or more of the short side are the paper's.

Cost: the authors trained for about two months on four K80.

    tfds build places365_small --file_format=array_record
    python train.py --config configs/glcic_places2.py

To try it for less, as a PyTorch port does with faces (other flags as they are):
--data.source tfds:celeb_a --data.size 160 160 --train.batch-size 16
--discriminator.global-layers 5 --discriminator.window 0.6

Expect (another implementation's figures on Places365, square holes, 500 000 steps of 8 GPUs x 12
images, mmagic): hole L1 11.2 %, PSNR 23.2, SSIM 0.862. Poisson blending hides what seam is left:
jax-inpaint fill --blend poisson.
"""

from jax_inpaint.config import (
    Config,
    DataConfig,
    GanConfig,
    MaskConfig,
    ObjectiveConfig,
    OptimizerConfig,
    Phase,
    TrainConfig,
)
from jax_inpaint.losses.terms import MSE, Adversarial
from jax_inpaint.models.glcic import GLCICConfig
from jax_inpaint.models.global_local import ContextDiscriminatorConfig

config = Config(
    workdir="runs/glcic_places2",
    generator=GLCICConfig(width=64),
    discriminator=ContextDiscriminatorConfig(
        width=64, window=0.5, global_layers=6, local_layers=5, hidden=1024
    ),
    objective=ObjectiveConfig(
        terms=(MSE(0.25, region="hole", mean="image"), Adversarial(0.0004)),
        gan=GanConfig(loss="bce"),
        phases=(
            Phase(until=90_000, discriminator=False),
            Phase(until=100_000, generator=False),
            Phase(until=0),
        ),
    ),
    masks=MaskConfig(kind="box", box_size=(128, 128), box_jitter=32),
    data=DataConfig(source="tfds:places365_small", size=(256, 256), min_area=0.44, threads=16),
    generator_optimizer=OptimizerConfig(learning_rate=4e-4, beta1=0.9, beta2=0.999),
    discriminator_optimizer=OptimizerConfig(learning_rate=4e-4, beta1=0.9, beta2=0.999),
    train=TrainConfig(steps=500_000, batch_size=96, validation_images=512),
)
