from dataclasses import fields
from typing import get_args

import jax
import pytest
import torch

from jax_inpaint.config import FeatureConfig, LpipsNetwork
from jax_inpaint.features import PUBLIC_FILES, FeatureName, load_feature_params
from jax_inpaint.features.files import random_feature_params
from jax_inpaint.features.network import COLOURS, TABLES
from jax_inpaint.torch_files import TensorFileError
from tests.twins.feature_networks import TorchvisionNetwork
from tests.twins.inception import Inception


def test_every_network_has_a_table_a_place_and_a_public_file_of_the_same_name():
    places = {field.name: field.default for field in fields(FeatureConfig)}
    heads = {name for name in places if name.startswith("lpips_")}
    assert heads == {f"lpips_{network}" for network in get_args(LpipsNetwork)}
    for name in heads:
        del places[name]
    assert TABLES.keys() == COLOURS.keys() == PUBLIC_FILES.keys() == places.keys()
    assert set(TABLES) == set(get_args(FeatureName))
    for network, address in PUBLIC_FILES.items():
        assert places[network].rpartition("/")[-1] == address.rpartition("/")[-1]


def test_a_missing_file_is_named_with_where_to_get_it_and_where_it_goes(tmp_path):
    path = tmp_path / "weights" / "vgg16-397923af.pth"
    with pytest.raises(TensorFileError) as caught:
        load_feature_params("vgg16", path)
    message = str(caught.value)
    assert message.startswith(f"{path}: there is no such file")
    assert "https://download.pytorch.org/models/vgg16-397923af.pth" in message
    assert "features.vgg16" in message


def test_missing_surplus_and_misshapen_tensors_are_named(tmp_path):
    tensors = TorchvisionNetwork("squeezenet").state_dict()
    del tensors["features.3.squeeze.bias"]
    tensors["features.0.weight"] = torch.zeros(64, 1, 3, 3)
    tensors["features.13.weight"] = torch.zeros(3)
    torch.save(tensors, tmp_path / "weights.pth")
    with pytest.raises(TensorFileError) as caught:
        load_feature_params("squeezenet", tmp_path / "weights.pth")
    message = str(caught.value)
    assert "features.3.squeeze.bias: missing instead of (16,)" in message
    assert "features.0.weight: (64, 1, 3, 3) instead of (64, 3, 3, 3)" in message
    assert "features.13.weight: (3,) instead of nothing" in message
    assert "classifier" not in message


def test_another_networks_file_is_refused_in_a_short_message(tmp_path):
    torch.save(TorchvisionNetwork("alexnet").state_dict(), tmp_path / "weights.pth")
    with pytest.raises(TensorFileError, match=r"and \d+ more") as caught:
        load_feature_params("vgg19", tmp_path / "weights.pth")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("network", TABLES)
def test_random_parameters_can_be_drawn_for_every_network(network):
    params = jax.eval_shape(lambda key: random_feature_params(network, key), jax.random.key(0))
    assert jax.tree.leaves(params)


def test_inceptions_file_is_checked_and_its_classifier_ignored(tmp_path):
    tensors = Inception().state_dict()
    assert {"fc.weight", "fc.bias", "Mixed_5b.branch1x1.bn.num_batches_tracked"} < tensors.keys()
    torch.save(tensors, tmp_path / "weights.pth")
    params = load_feature_params("inception", tmp_path / "weights.pth")
    # As many as torchvision's has without its classifiers.
    assert sum(leaf.size for leaf in jax.tree.leaves(params["params"])) == 21_785_568

    del tensors["Mixed_7a.branch7x7x3_4.bn.running_var"]
    tensors["Mixed_7c.branch3x3_2a.conv.weight"] = torch.zeros(384, 384, 3, 1)
    tensors["AuxLogits.conv0.conv.weight"] = torch.zeros(128, 768, 1, 1)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(TensorFileError) as caught:
        load_feature_params("inception", tmp_path / "other.pth")
    message = str(caught.value)
    assert "Mixed_7a.branch7x7x3_4.bn.running_var: missing instead of (192,)" in message
    assert "2a.conv.weight: (384, 384, 3, 1) instead of (384, 384, 1, 3)" in message
    assert "AuxLogits.conv0.conv.weight: (128, 768, 1, 1) instead of nothing" in message
    assert "fc." not in message


def test_inceptions_missing_file_is_named_with_where_to_get_it(tmp_path):
    with pytest.raises(TensorFileError, match=r"pt_inception-2015-12-05-6726825d.pth to that pl"):
        load_feature_params("inception", tmp_path / "none.pth")
