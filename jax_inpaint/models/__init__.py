"""Generators and discriminators, one architecture a file.

A new one is a file here and a line in the lists below.
"""

from collections.abc import Mapping
from typing import Any

from jax_inpaint.config import DiscriminatorConfig, GeneratorConfig
from jax_inpaint.models.aotgan import AOTGANConfig
from jax_inpaint.models.context_encoder import ContextEncoderConfig
from jax_inpaint.models.deepfillv1 import DeepFillV1Config
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.gated_unet import GatedUNetConfig
from jax_inpaint.models.glcic import GLCICConfig
from jax_inpaint.models.global_local import ContextDiscriminatorConfig, GlobalLocalCriticsConfig
from jax_inpaint.models.lama import LaMaConfig
from jax_inpaint.models.partial_gan import PartialGANConfig
from jax_inpaint.models.partial_unet import PartialUNetConfig
from jax_inpaint.models.patchgan import PatchGANConfig
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig
from jax_inpaint.models.unet_patchgan import AttentionUNetConfig


def final_output(outputs: Mapping[str, Any]) -> Any:
    """A generator's last whole picture, before it is pasted into the photograph."""
    return outputs["refined"] if "refined" in outputs else outputs["output"]


GENERATORS: dict[str, type[GeneratorConfig]] = {
    kind.architecture: kind
    for kind in (
        DeepFillV2Config,
        DeepFillV1Config,
        PartialUNetConfig,
        GLCICConfig,
        GatedUNetConfig,
        AttentionUNetConfig,
        ContextEncoderConfig,
        PartialGANConfig,
        LaMaConfig,
        AOTGANConfig,
    )
}

DISCRIMINATORS: dict[str, type[DiscriminatorConfig]] = {
    kind.architecture: kind
    for kind in (
        SNPatchGANConfig,
        GlobalLocalCriticsConfig,
        ContextDiscriminatorConfig,
        PatchGANConfig,
    )
}
