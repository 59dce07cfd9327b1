"""The step of configs/deepfillv2_places2.py in PyTorch."""

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from benchmarks.twin.forms import Form, generate
from benchmarks.twin.network import from_flax, load_discriminator, load_generator
from jax_inpaint.config import Config, OptimizerConfig
from jax_inpaint.training.state import TrainState


def unit_length(x: Tensor) -> Tensor:
    """A vector by its length."""
    return x / (x.square().sum().sqrt() + 1e-12)


def spectral_normalize(
    kernels: Sequence[Tensor], vectors: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Kernels by their largest singular values, and the power iteration's next vectors.

    The gradient goes through the power iteration, as in the released code; the vectors,
    (1, channels out), carry none. Outside autocast everything is float32.
    """
    normalized, new_vectors = [], []
    for kernel, u in zip(kernels, vectors, strict=True):
        matrix = kernel.flatten(1)
        v = unit_length(u @ matrix)
        product = v @ matrix.T
        new_u = unit_length(product)
        normalized.append(kernel / (product * new_u).sum())
        new_vectors.append(new_u.detach())
    return normalized, new_vectors


def adam(parameters: Iterable[Parameter], config: OptimizerConfig) -> torch.optim.Adam:
    """Adam at a constant rate."""
    betas = (config.beta1, config.beta2)
    return torch.optim.Adam(parameters, config.learning_rate, betas, fused=True)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Gradients anew, and the update."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


class TrainingStep:
    """Both networks learn from a batch, in place, as in :mod:`jax_inpaint.training.step`."""

    def __init__(self, config: Config, state: TrainState, form: Form, device: str = "cpu"):
        self.form, self.device, self.ema_decay = form, device, config.train.ema_decay
        self.generator = form.prepare(load_generator(state.generator), device)
        self.discriminator = form.prepare(load_discriminator(state.discriminator), device)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        layers = (state.spectral[f"conv{n}"] for n in range(1, len(state.spectral) + 1))
        self.vectors = [from_flax(layer["conv"]["kernel"]).to(device) for layer in layers]
        self.generator_optimizer = adam(self.generator.parameters(), config.generator_optimizer)
        self.discriminator_optimizer = adam(
            self.discriminator.parameters(), config.discriminator_optimizer
        )
        self.steps = 0
        self._generate = form.compile(generate)
        self._discriminator_loss = form.compile(self.discriminator_loss)
        self._generator_losses = form.compile(self.generator_losses)

    def discriminator_loss(
        self, image: Tensor, composite: Tensor, mask: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """The hinge loss, and the next vectors of spectral norm."""
        kernels, vectors = spectral_normalize(self.discriminator.kernels, self.vectors)
        pictures = torch.cat([torch.cat([image, composite]), mask.repeat(2, 1, 1, 1)], dim=1)
        with self.form.autocast(self.device):
            logits = self.discriminator(pictures, kernels, self.discriminator.biases)
        real, fake = logits.chunk(2)
        loss = functional.relu(1 - real).mean() / 2 + functional.relu(1 + fake).mean() / 2
        return loss, vectors

    def generator_losses(
        self, image: Tensor, mask: Tensor, coarse: Tensor, refined: Tensor, composite: Tensor
    ) -> Mapping[str, Tensor]:
        """The terms of the objective, and their sum."""
        with torch.no_grad():
            kernels, _ = spectral_normalize(self.discriminator.kernels, self.vectors)
            biases = [bias.detach() for bias in self.discriminator.biases]
        with self.form.autocast(self.device):
            logits = self.discriminator(torch.cat([composite, mask], dim=1), kernels, biases)
        losses = {
            "coarse_l1": functional.l1_loss(coarse, image),
            "refined_l1": functional.l1_loss(refined, image),
            "adversarial": -logits.mean(),
        }
        return {"generator_loss": torch.stack([*losses.values()]).sum(), **losses}

    def __call__(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses of a step, which nothing has waited for yet.

        Norms of gradients and parameters, which ours reports too, are left out.

        Args:
            batch: on the device, ``image``, uint8 (B, 3, H, W), and ``mask``, uint8 (B, 1, H, W),
                1 in the hole.
        """
        if self.form.compiled:
            torch.compiler.cudagraph_mark_step_begin()
        image = batch["image"].float().div_(127.5).sub_(1)
        image = image.contiguous(memory_format=self.form.layout)
        mask = batch["mask"].float()
        with self.form.autocast(self.device):
            coarse, refined, composite = self._generate(self.generator, image, mask)

        loss, vectors = self._discriminator_loss(image, composite.detach(), mask)
        descend(self.discriminator_optimizer, loss)
        torch._foreach_copy_(self.vectors, vectors)

        losses = self._generator_losses(image, mask, coarse, refined, composite)
        descend(self.generator_optimizer, losses["generator_loss"])
        decay = min(self.ema_decay, (1 + self.steps) / (10 + self.steps))
        averages, parameters = [*self.ema.parameters()], [*self.generator.parameters()]
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - decay)
        self.steps += 1
        return {name: value.detach() for name, value in losses.items()} | {
            "discriminator_loss": loss.detach()
        }


def build_step(config: Config, state: TrainState, form: Form, device: str = "cpu") -> TrainingStep:
    """The step from batches to losses, beginning where our state stands before its first step.

    Args:
        config: DeepFillv2 without sketch, SN-PatchGAN, and the objective of
            configs/deepfillv2_places2.py; its optimisers' rates and betas and ``ema_decay`` count.
        state: from :func:`jax_inpaint.training.state.init_state`.
        form: how it is computed.
        device: where.
    """
    return TrainingStep(config, state, form, device)
