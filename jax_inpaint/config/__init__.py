"""Configuration: nested frozen dataclasses that files, the command line and weights files share.

The comment behind a field is its help text on the command line.
"""

from jax_inpaint.config.command_line import load_config, parse_command_line
from jax_inpaint.config.data import DataConfig
from jax_inpaint.config.experiment import Config
from jax_inpaint.config.masks import DrawnKind, MaskConfig
from jax_inpaint.config.networks import DiscriminatorConfig, GeneratorConfig
from jax_inpaint.config.objective import (
    AdversarialLoss,
    FakeTarget,
    FeatureConfig,
    GanConfig,
    ObjectiveConfig,
    Phase,
    Term,
)
from jax_inpaint.config.serialization import differences, from_dict, to_dict
from jax_inpaint.config.sketch import SketchConfig
from jax_inpaint.config.training import (
    LpipsNetwork,
    MeshConfig,
    OptimizerConfig,
    PictureFigure,
    Stage,
    TrainConfig,
)
from jax_inpaint.config.values import (
    DEEPEST,
    WIDEST,
    ConfigError,
    Dtype,
    Size,
    SpectralGradient,
    check_seed,
    require,
    require_counts,
)

__all__ = [
    "DEEPEST",
    "WIDEST",
    "AdversarialLoss",
    "Config",
    "ConfigError",
    "DataConfig",
    "DiscriminatorConfig",
    "DrawnKind",
    "Dtype",
    "FakeTarget",
    "FeatureConfig",
    "GanConfig",
    "GeneratorConfig",
    "LpipsNetwork",
    "MaskConfig",
    "MeshConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "Phase",
    "PictureFigure",
    "Size",
    "SketchConfig",
    "SpectralGradient",
    "Stage",
    "Term",
    "TrainConfig",
    "check_seed",
    "differences",
    "from_dict",
    "load_config",
    "parse_command_line",
    "require",
    "require_counts",
    "to_dict",
]
