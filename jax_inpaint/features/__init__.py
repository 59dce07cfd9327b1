"""Networks trained elsewhere, whose features losses and metrics compare. They are never trained."""

from jax_inpaint.features.fid import inception_features
from jax_inpaint.features.files import PUBLIC_FILES, check_feature_file, load_feature_params
from jax_inpaint.features.network import FeatureName, check_layers, extract_features

__all__ = [
    "PUBLIC_FILES",
    "FeatureName",
    "check_feature_file",
    "check_layers",
    "extract_features",
    "inception_features",
    "load_feature_params",
]
