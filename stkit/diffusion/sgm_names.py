"""How sgm and diffusers name the parameters of one network, the UNet of Stable Video Diffusion.

The map is computed from a UNet's configuration, so that it holds for any width and depth.
"""

import re

import torch

from stkit.errors import RequestError

TOP = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ATTENTION = {
    "temporal_transformer_blocks.": "time_stack.",
    "time_pos_embed.linear_1": "time_pos_embed.0",
    "time_pos_embed.linear_2": "time_pos_embed.2",
}
OUTER = re.compile(
    r"(?P<side>down|up)_blocks\.(?P<block>\d+)\."
    r"(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<index>\d+)\.(?P<rest>.+)"
)
MIDDLE = re.compile(r"mid_block\.(?P<kind>resnets|attentions)\.(?P<index>\d+)\.(?P<rest>.+)")


def sgm_name(name: str, layers: int, up_attention: list[bool]) -> str:
    """The sgm name of a parameter of diffusers' UNetSpatioTemporalConditionModel.

    layers: resnets in a down block (an up block has one more); up_attention: which up blocks have
    attention. Raises RequestError for a name that is no parameter's.
    """
    stem, _, leaf = name.rpartition(".")
    if stem in TOP:
        return f"{TOP[stem]}.{leaf}"
    if match := OUTER.fullmatch(name):
        return _outer(match, layers, up_attention)
    if match := MIDDLE.fullmatch(name):
        kind = match["kind"]
        place = 2 * int(match["index"]) if kind == "resnets" else 1
        return f"middle_block.{place}.{_inner(kind, match['rest'])}"
    raise RequestError(f"{name!r} is not a parameter of UNetSpatioTemporalConditionModel")


def _outer(match: re.Match[str], layers: int, up_attention: list[bool]) -> str:
    """The name of a parameter of a down or up block; sgm numbers all their layers in a row."""
    kind = match["kind"]
    rest = match["rest"]
    block = int(match["block"])
    first = block * (layers + 1)
    if kind == "downsamplers":
        return f"input_blocks.{1 + first + layers}.0.{rest.replace('conv.', 'op.')}"
    if kind == "upsamplers":
        place = 2 if up_attention[block] else 1
        return f"output_blocks.{first + layers}.{place}.{rest}"
    number = first + int(match["index"])
    side = f"input_blocks.{1 + number}" if match["side"] == "down" else f"output_blocks.{number}"
    place = 0 if kind == "resnets" else 1
    return f"{side}.{place}.{_inner(kind, rest)}"


def _inner(kind: str, rest: str) -> str:
    """A parameter's name inside its resnet or attention."""
    if kind == "attentions":
        for theirs, sgm in ATTENTION.items():
            rest = rest.replace(theirs, sgm)
        return rest
    part, _, inside = rest.partition(".")
    if part == "time_mixer":
        return rest
    layer, _, leaf = inside.rpartition(".")
    stack = "time_stack." if part == "temporal_res_block" else ""
    return f"{stack}{RESNET[layer]}.{leaf}"


def name_map(config: dict) -> dict[str, tuple[str, torch.Size]]:
    """{diffusers name: (sgm name, shape)} of a UNet with this configuration.

    No memory is taken for its weights.
    """
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel.from_config(config)
    layers = unet.config.layers_per_block
    if not isinstance(layers, int):
        layers = layers[0]
    attention = ["CrossAttn" in kind for kind in unet.config.up_block_types]
    return {
        name: (sgm_name(name, layers, attention), value.shape)
        for name, value in unet.state_dict().items()
    }
