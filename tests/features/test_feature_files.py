import pytest
import torch

from jax_inpaint.features import load_feature_params
from jax_inpaint.torch_files import TensorFileError
from tests.twins.feature_networks import TorchvisionNetwork


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
