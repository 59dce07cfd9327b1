"""Adversarial losses on discriminator logits, elementwise, and penalties of its gradient.

A discriminator may have several heads (scales, or global and local); their losses are added up.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, softplus
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jax_inpaint.config import AdversarialLoss, FakeTarget
from jax_inpaint.ops.blur import gaussian_blur
from jax_inpaint.ops.resize import downsample_nearest

Logits = Float[Array, "b ..."]
Images = Float[Array, "b h w c"]
PerImage = Float[Array, " b"]


class GanLoss(NamedTuple):
    """What each logit costs, elementwise."""

    real: Callable[[Logits], Logits]  # the discriminator, for calling a real image real
    fake: Callable[[Logits], Logits]  # the discriminator, for calling a composite fake
    fool: Callable[[Logits], Logits]  # the generator, for its composite being called real


GAN_LOSSES: dict[AdversarialLoss, GanLoss] = {
    # Lim and Ye (2017), with the halves of the official DeepFillv2 code: 1 in all at chance.
    "hinge": GanLoss(lambda x: relu(1 - x) / 2, lambda x: relu(1 + x) / 2, lambda x: -x),
    # Goodfellow et al. (2014): the generator's loss that doesn't saturate, and the one that does.
    "bce": GanLoss(lambda x: softplus(-x), softplus, lambda x: softplus(-x)),
    "bce_saturating": GanLoss(lambda x: softplus(-x), softplus, lambda x: -softplus(x)),
    # Mao et al. (2017), labels 1 and 0.
    "least_squares": GanLoss(lambda x: (x - 1) ** 2, lambda x: x**2, lambda x: (x - 1) ** 2),
    # Arjovsky et al. (2017); it needs a gradient penalty.
    "wasserstein": GanLoss(lambda x: -x, lambda x: x, lambda x: -x),
}


def discriminator_loss(
    loss: AdversarialLoss,
    real: Sequence[Logits],
    fake: Sequence[Logits],
    fake_share: Sequence[Float[Array, "..."]],
) -> PerImage:
    """The discriminator's loss: mean over each head's logits, sum over heads.

    Args:
        loss: its kind.
        real, fake: logits of photographs and of composites, for each head.
        fake_share: :func:`fakeness` for each head: what share of a composite's logit counts as
            fake, in [0, 1]; the rest counts as real. It broadcasts against the logits.
    """
    gan = GAN_LOSSES[loss]
    heads = [
        per_image(gan.real(r)) + per_image(f * gan.fake(x) + (1 - f) * gan.real(x))
        for r, x, f in zip(real, fake, fake_share, strict=True)
    ]
    return sum(heads[1:], start=heads[0])


def fakeness(target: FakeTarget, mask: Float[Array, "b h w 1"], logits: Logits) -> Array:
    """How far each logit of a composite should call it fake, in [0, 1].

    Args:
        target: ``"everywhere"``: 1. ``"hole"``: the mask at the logits' size, nearest neighbour
            (LaMa's ``mask_as_fake_target``). ``"soft_hole"``: the mask blurred by a 51st of the
            image's side before that, so that logits at the hole's edge count half (AOT-GAN: 10
            pixels of 512; its code swaps the labels of real and fake, here they are the paper's).
        mask: 1 in the hole.
        logits: of one head; without rows and columns every image counts as fake.
    """
    if target == "everywhere" or logits.ndim < 4:
        return jnp.ones(())
    if target == "soft_hole":
        side = min(mask.shape[1:3])
        blur = partial(gaussian_blur, sigma=side * 10 / 512, radius=max(1, side * 35 // 512))
        mask = jax.vmap(blur)(mask)
    return downsample_nearest(mask, logits.shape[1], logits.shape[2], "strided")


def generator_loss(
    loss: AdversarialLoss, fake: Sequence[Logits], weights: Sequence[Float[Array, "..."]]
) -> PerImage:
    """The generator's loss: mean over each head's logits, sum over heads.

    Args:
        loss: its kind.
        fake: logits of composites, for each head.
        weights: for each head factors that broadcast against the logits, such as 1.
    """
    fool = GAN_LOSSES[loss].fool
    heads = [per_image(w * fool(x)) for x, w in zip(fake, weights, strict=True)]
    return sum(heads[1:], start=heads[0])


def gradient_penalty(
    key: PRNGKeyArray,
    judge: Callable[[Images], tuple[Logits, ...]],
    real: Images,
    fake: Images,
    weight: Float[Array, "..."],
    numbers: Int[Array, " b"],
) -> PerImage:
    """``(|gradient| - 1)^2`` at random points between real and fake, added up over heads.

    Args:
        key: draws a point between the two images of each pair.
        judge: gives the logits of images, for each head.
        real, fake: images.
        weight: multiplies the gradient before its norm is taken; the mask, to count the hole only.
        numbers: of the images in the global batch, of which these may only be a part.

    Source: Gulrajani et al. (2017); masked as in DeepFill v1 (section 3.2), whose critic only has
    to be smooth where composites differ from photographs.
    """
    keys = jax.vmap(partial(jax.random.fold_in, key))(numbers)
    share = jax.vmap(jax.random.uniform)(keys)[:, None, None, None]
    between = share * real + (1 - share) * fake
    penalties = []
    heads, backward = jax.vjp(judge, between)
    for head in range(len(heads)):
        ones = [jnp.full_like(x, float(i == head)) for i, x in enumerate(heads)]
        (gradient,) = backward(tuple(ones))
        # Bounded before the root, whose gradient at 0 would be infinite.
        squared = jnp.sum((gradient * weight) ** 2, axis=(1, 2, 3))
        penalties.append((jnp.sqrt(jnp.maximum(squared, 1e-12)) - 1) ** 2)
    return sum(penalties[1:], start=penalties[0])


def r1_penalty(judge: Callable[[Images], tuple[Logits, ...]], real: Images) -> PerImage:
    """``|gradient|^2`` of the sum of all logits at real images.

    Source: Mescheder et al. (2018), without their factor of one half, as LaMa.
    """
    gradient = jax.grad(lambda x: sum(jnp.sum(logits) for logits in judge(x)))(real)
    return jnp.sum(gradient**2, axis=(1, 2, 3))


def per_image(values: Logits) -> PerImage:
    """Mean over everything but the batch."""
    return jnp.mean(values, axis=tuple(range(1, values.ndim)))
