"""V3D's checkpoint under sgm names becomes a diffusers folder, exactly and shard by shard."""

import re

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel
from mini_models import SVD_CONFIG, write_svd_folder
from safetensors.torch import load_file

from stkit.diffusion import convert
from stkit.diffusion.convert import PREFIX, convert_v3d
from stkit.diffusion.sgm_names import name_map


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A folder with a small checkpoint under sgm names and an SVD folder, and the UNet in it."""
    torch.manual_seed(0)
    unet = UNetSpatioTemporalConditionModel.from_config(SVD_CONFIG)
    root = tmp_path_factory.mktemp("v3d")
    write_svd_folder(root / "svd")
    names = name_map(SVD_CONFIG)
    state = {PREFIX + names[k][0]: v for k, v in unet.state_dict().items()}
    state["conditioner.embedders.0.weight"] = torch.zeros(3)
    saved = {"state_dict": state, "epoch": 3, "callbacks": {"x": _Callback()}}
    torch.save(saved, root / "V3D.ckpt")
    return root, unet


class _Callback:
    """Of a class that the reader does not have; training frameworks leave such objects."""

    def __init__(self):
        self.best = 0.5


def test_sgm_names_are_those_of_the_released_layout():
    names = {k: v[0] for k, v in name_map(SVD_CONFIG).items()}
    assert (
        names["down_blocks.0.resnets.0.spatial_res_block.conv1.weight"]
        == "input_blocks.1.0.in_layers.2.weight"
    )
    assert (
        names["down_blocks.0.attentions.1.temporal_transformer_blocks.0.attn1.to_q.weight"]
        == "input_blocks.2.1.time_stack.0.attn1.to_q.weight"
    )
    assert names["down_blocks.2.downsamplers.0.conv.bias"] == "input_blocks.9.0.op.bias"
    assert (
        names["down_blocks.3.resnets.1.temporal_res_block.norm2.weight"]
        == "input_blocks.11.0.time_stack.out_layers.0.weight"
    )
    assert (
        names["mid_block.resnets.1.time_mixer.mix_factor"] == "middle_block.2.time_mixer.mix_factor"
    )
    assert (
        names["mid_block.attentions.0.time_pos_embed.linear_2.bias"]
        == "middle_block.1.time_pos_embed.2.bias"
    )
    assert names["up_blocks.0.upsamplers.0.conv.weight"] == "output_blocks.2.1.conv.weight"
    assert names["up_blocks.1.upsamplers.0.conv.weight"] == "output_blocks.5.2.conv.weight"
    assert names["up_blocks.3.attentions.2.proj_out.bias"] == "output_blocks.11.1.proj_out.bias"
    assert len(set(names.values())) == len(names), "two parameters share an sgm name"
    tops = {re.match(r"[a-z_]+(\.\d+)?", v)[0] for v in names.values()}
    assert {f"input_blocks.{k}" for k in range(12)} | {
        f"output_blocks.{k}" for k in range(12)
    } <= tops


def test_round_trip_is_exact_and_runs(released, tmp_path):
    root, unet = released
    out = convert_v3d(root / "V3D.ckpt", root / "svd", tmp_path / "v3d", half=False)
    again = UNetSpatioTemporalConditionModel.from_pretrained(out / "unet")
    for name, value in unet.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    x, t = torch.randn(1, 3, 8, 8, 8), torch.tensor([0.5])
    context = {"encoder_hidden_states": torch.randn(1, 1, 16), "added_time_ids": torch.ones(1, 3)}
    with torch.no_grad():
        torch.testing.assert_close(
            again(x, t, **context).sample, unet(x, t, **context).sample, rtol=1e-3, atol=1e-4
        )
    assert (out / "model_index.json").exists() and not (tmp_path / "v3d.part").exists()


def test_shards_are_bounded_and_indexed(released, tmp_path, monkeypatch):
    root, unet = released
    monkeypatch.setattr(convert, "SHARD", 300_000)
    out = convert_v3d(root / "V3D.ckpt", root / "svd", tmp_path / "v3d")
    files = sorted((out / "unet").glob("*.safetensors"))
    assert len(files) > 3
    assert all(
        sum(t.numel() * 2 for t in load_file(f).values()) <= 300_000 or len(load_file(f)) == 1
        for f in files
    )
    again = UNetSpatioTemporalConditionModel.from_pretrained(
        out / "unet", torch_dtype=torch.float16
    )
    assert torch.equal(again.conv_in.weight, unet.conv_in.weight.half())


@pytest.mark.parametrize("wrong", ["missing", "extra", "shape", "other", "svd", "exists", "nan"])
def test_wrong_checkpoints_are_refused_by_name_and_leave_nothing(released, tmp_path, wrong):
    root, _ = released
    state = torch.load(root / "V3D.ckpt", weights_only=False)["state_dict"]
    svd, out, says = root / "svd", tmp_path / "out", "bad.ckpt"
    first = next(iter(state))
    if wrong == "missing":
        state.pop(first)
        says += ".*1 tensors are missing"
    elif wrong == "extra":
        state[PREFIX + "surprise"] = torch.zeros(1)
        says += ".*1 are unknown"
    elif wrong == "shape":
        state[first] = torch.zeros(2, 2)
        says += ".*has shape"
    elif wrong == "other":
        state = {"encoder.weight": torch.zeros(2)}
        says += ".*V3D.ckpt"
    elif wrong == "svd":
        svd, says = tmp_path, "--svd must be"
    elif wrong == "exists":
        out.mkdir()
        says = "exists already"
    elif wrong == "nan":
        state[first] = torch.full_like(state[first], float("nan"))
        says = "not finite"
    torch.save({"state_dict": state}, tmp_path / "bad.ckpt")
    with pytest.raises((ValueError, FileNotFoundError), match=f"(?s){says}"):
        convert_v3d(tmp_path / "bad.ckpt", svd, out)
    assert wrong == "exists" or not out.exists()
