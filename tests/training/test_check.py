"""Parts that don't fit together are found before anything is compiled or written."""

import dataclasses
import json
from pathlib import Path

import pytest

from jax_inpaint.config import (
    ConfigError,
    DataConfig,
    GanConfig,
    ObjectiveConfig,
    Phase,
    Stage,
    TrainConfig,
    load_config,
    to_dict,
)
from jax_inpaint.losses.terms import L1, Adversarial, DiscountedL1, FeatureMatching, Perceptual
from jax_inpaint.models.context_encoder import ContextEncoderConfig
from jax_inpaint.models.global_local import GlobalLocalCriticsConfig
from jax_inpaint.models.patchgan import PatchGANConfig
from jax_inpaint.training.check import check_experiment
from jax_inpaint.training.workdir import WorkdirError, open_workdir
from tests.small import small

CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.py"))
CRITICS = GlobalLocalCriticsConfig(width=4)


def objective(*terms, **settings):
    return ObjectiveConfig(terms=terms, **settings)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_fits_together(path):
    check_experiment(load_config(path))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"train": TrainConfig(best_by="ms_ssim")},
            r"best_by ms_ssim needs sides of 176 pixels or more, but data.size is \(32, 32\)",
        ),
        (
            {"objective": objective(L1(), Adversarial())},
            "output_l1 looks at 'output', but a deepfillv2 makes coarse, composite, refined",
        ),
        (
            {
                "generator": ContextEncoderConfig(width=4),
                "objective": objective(L1(1.0, "refined"), Adversarial()),
            },
            "refined_l1 looks at 'refined', but a context_encoder makes composite, output",
        ),
        (
            {
                "discriminator": CRITICS,
                "objective": objective(L1(1.0, "coarse"), Adversarial(region="hole")),
            },
            "counts the hole's logits, but a global_local_critics has one for the image",
        ),
        (
            {"discriminator": PatchGANConfig(width=4, layers=4, padding=1)},
            r"images of \(32, 32\) are too small for this patchgan",
        ),
        (
            {"objective": objective(Perceptual(1.0, "refined", layers=("pool9",)), Adversarial())},
            "pool9",
        ),
        (
            {
                "data": DataConfig(size=(8, 8)),
                "objective": objective(
                    Perceptual(1.0, "refined", network="squeezenet", layers=("fire9",)),
                    Adversarial(),
                ),
            },
            "squeezenet",
        ),
        (
            {
                "discriminator": CRITICS,
                "train": TrainConfig(stages=(Stage(5, (16, 16), 2),)),
            },
            r"stages has the size \(16, 16\), but a global_local_critics",
        ),
    ],
)
def test_what_does_not_fit_is_named(sections, message):
    with pytest.raises(ConfigError, match=message):
        check_experiment(small(**sections))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"discriminator": None}, "discriminator must be given for the terms adversarial"),
        (
            {"discriminator": None, "objective": objective(L1(1.0, "refined"), n_critic=5)},
            "the generator learns at every step",
        ),
        ({"objective": objective(L1(1.0, "refined"))}, "with one that a discriminator judges"),
        (
            {"objective": objective(Adversarial(), FeatureMatching(1.0, "refined"))},
            "on one and the same image",
        ),
        (
            {
                "objective": objective(
                    Adversarial(), phases=(Phase(5, discriminator=False), Phase(until=0))
                )
            },
            "terms are left where only the generator learns",
        ),
        (
            {
                "objective": objective(
                    L1(1.0, "refined"),
                    Adversarial(),
                    phases=(Phase(5), Phase(0, freeze_encoder_norm=True)),
                )
            },
            "for a generator with batch norm in its encoder",
        ),
    ],
)
def test_contradictions_are_refused_at_once(sections, message):
    with pytest.raises(ValueError, match=message):
        small(**sections)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DiscountedL1(size=2.0),
        lambda: L1(weight=-1.0),
        lambda: GanConfig(r1=-1.0),
        lambda: objective(L1(), L1()),
        lambda: objective(),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def begun(folder, config):
    """A workdir in which a run with a configuration has saved something."""
    (folder / "checkpoints" / "3").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(to_dict(config)))


def test_critics_of_another_size_do_not_go_on(tmp_path):
    critics = small(discriminator=CRITICS, workdir=str(tmp_path))
    begun(tmp_path, critics)
    larger = dataclasses.replace(critics, data=DataConfig(size=(64, 64)))
    with (
        pytest.raises(WorkdirError, match=r"data\.size: \[32, 32\] -> \[64, 64\]"),
        open_workdir(larger),
    ):
        pass
    fully = small(workdir=str(tmp_path))
    begun(tmp_path / "other", fully)
    elsewhere = dataclasses.replace(fully, workdir=str(tmp_path / "other"))
    with open_workdir(dataclasses.replace(elsewhere, data=DataConfig(size=(64, 64)))):
        pass


def test_a_run_that_saved_nothing_may_begin_again_with_another_network(tmp_path):
    first = small(workdir=str(tmp_path))
    for config in (first, dataclasses.replace(first, discriminator=CRITICS)):
        with open_workdir(config) as workdir:
            assert json.loads((workdir / "config.json").read_text()) == to_dict(config)
