"""V3D's released checkpoint (sgm names) as a diffusers folder: V3D's UNet, and SVD-XT's other parts as they are.

Both libraries build the same network under different names; the map is computed from a UNet's configuration, so that it
holds for any width and depth. Nothing in the checkpoint is executed, and no more than one shard of it is in memory.
"""

import json
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from stkit.errors import MissingFileError, RequestError
from stkit.io.checkpoint import load_checkpoint
from stkit.io.untrusted import UnsafeFileError

PREFIX = "model.diffusion_model."
SHARD = 500_000_000  # bytes

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


def sgm_name(name: str, layers: int, up_attention: list[bool]) -> str:
    """The sgm name of a parameter of diffusers' UNetSpatioTemporalConditionModel.

    layers: resnets in a down block (an up block has one more); up_attention: which up blocks have attention.
    """
    stem, _, leaf = name.rpartition(".")
    if stem in TOP:
        return f"{TOP[stem]}.{leaf}"
    m = re.fullmatch(
        r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", name
    )
    if m:
        side, block, kind, index, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
        if kind == "downsamplers":
            return (
                f"input_blocks.{1 + block * (layers + 1) + layers}.0.{rest.replace('conv.', 'op.')}"
            )
        if kind == "upsamplers":
            return f"output_blocks.{block * (layers + 1) + layers}.{2 if up_attention[block] else 1}.{rest}"
        place = (
            f"input_blocks.{1 + block * (layers + 1) + index}"
            if side == "down"
            else f"output_blocks.{block * (layers + 1) + index}"
        )
        return f"{place}.{0 if kind == 'resnets' else 1}.{_inner(kind, rest)}"
    m = re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name)
    if m:
        return f"middle_block.{2 * int(m[2]) if m[1] == 'resnets' else 1}.{_inner(m[1], m[3])}"
    raise RequestError(f"{name!r} is not a parameter of UNetSpatioTemporalConditionModel")


def _inner(kind: str, rest: str) -> str:
    if kind == "attentions":
        rest = rest.replace("temporal_transformer_blocks.", "time_stack.")
        return rest.replace("time_pos_embed.linear_1", "time_pos_embed.0").replace(
            "time_pos_embed.linear_2", "time_pos_embed.2"
        )
    part, _, inside = rest.partition(".")
    if part == "time_mixer":
        return rest
    layer, _, leaf = inside.rpartition(".")
    return ("time_stack." if part == "temporal_res_block" else "") + f"{RESNET[layer]}.{leaf}"


def name_map(config: dict) -> dict[str, tuple[str, torch.Size]]:
    """{diffusers name: (sgm name, shape)} of a UNet with this configuration; no memory is taken for its weights."""
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel.from_config(config)
    layers = unet.config.layers_per_block
    layers = layers if isinstance(layers, int) else layers[0]
    attention = ["CrossAttn" in t for t in unet.config.up_block_types]
    return {k: (sgm_name(k, layers, attention), v.shape) for k, v in unet.state_dict().items()}


def convert_v3d(
    checkpoint: Path, svd: Path, out: Path, half: bool = True, progress=lambda x, **k: x
) -> Path:
    """Write `out`, a StableVideoDiffusionPipeline folder: `checkpoint`'s UNet, all else from the diffusers folder `svd`.

    Raises UnsafeFileError, ValueError or FileNotFoundError naming the file and what is wrong; `out` appears only when whole.
    """
    checkpoint, svd, out = Path(checkpoint), Path(svd), Path(out)
    if out.exists():
        raise RequestError(f"{out}: exists already; give another --out, or delete it")
    for part in (
        "model_index.json",
        "unet/config.json",
        "vae/config.json",
        "image_encoder/config.json",
    ):
        if not (svd / part).is_file():
            raise MissingFileError(
                f"{svd}: {part} is missing; --svd must be the diffusers folder of stabilityai/stable-video-diffusion-img2vid-xt"
            )
    try:
        config = json.loads((svd / "unet" / "config.json").read_text())
        names = name_map(config)
    except (ValueError, TypeError, KeyError) as e:
        raise RequestError(
            f"{svd}/unet/config.json: not the configuration of an SVD UNet ({e})"
        ) from e
    weights = unet_weights(checkpoint)
    _check(checkpoint, weights, names)
    work = out.with_name(out.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(
        svd,
        work,
        ignore=shutil.ignore_patterns("unet", "*.msgpack", "*.ckpt", ".git*", "svd*.safetensors"),
    )
    (work / "unet").mkdir()
    shutil.copy(svd / "unet" / "config.json", work / "unet")
    _write_shards(work / "unet", weights, names, torch.float16 if half else None, progress)
    work.replace(out)
    return out


def unet_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The UNet's tensors of an sgm checkpoint by their sgm names, mapped from the disk."""
    data = load_checkpoint(checkpoint)
    for key in ("state_dict", "module", "model"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    found = {}
    for key, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, Tensor) and PREFIX in str(key):
            found[str(key).split(PREFIX, 1)[1]] = value
    if not found:
        raise UnsafeFileError(
            f"{checkpoint}: holds no tensors named '{PREFIX}...'; is it V3D.ckpt?"
        )
    return found


def _check(
    checkpoint: Path, weights: dict[str, Tensor], names: dict[str, tuple[str, torch.Size]]
) -> None:
    wanted = dict(names.values())
    missing = sorted(set(wanted) - set(weights))
    unknown = sorted(set(weights) - set(wanted))
    if missing or unknown:
        first = ", ".join((missing or unknown)[:3])
        raise RequestError(
            f"{checkpoint}: {len(missing)} tensors are missing and {len(unknown)} are unknown for this SVD configuration (first: {first})"
        )
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise RequestError(
                f"{checkpoint}: {name} has shape {tuple(weights[name].shape)}, the configuration asks for {tuple(shape)}"
            )


def _write_shards(
    folder: Path, weights: dict[str, Tensor], names, dtype: torch.dtype | None, progress
) -> None:
    """diffusers' sharded safetensors with their index: tensors are read, converted and written one shard at a time."""
    plan, room = [[]], 0
    for name, (_, shape) in names.items():
        size = shape.numel() * (2 if dtype == torch.float16 else 4)
        if plan[-1] and room + size > SHARD:
            plan.append([])
            room = 0
        plan[-1].append(name)
        room += size
    stem, place, total = "diffusion_pytorch_model", {}, 0
    for k, shard in enumerate(progress(plan, desc="converting")):
        file = (
            f"{stem}.safetensors"
            if len(plan) == 1
            else f"{stem}-{k + 1:05d}-of-{len(plan):05d}.safetensors"
        )
        tensors = {
            n: weights[names[n][0]].to(dtype or weights[names[n][0]].dtype, copy=True).contiguous()
            for n in shard
        }
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            raise RequestError(
                "the checkpoint holds values that are not finite (or too large for half precision: use --full)"
            )
        save_file(tensors, folder / file, metadata={"format": "pt"})
        place |= dict.fromkeys(shard, file)
        total += sum(t.numel() * t.element_size() for t in tensors.values())
    if len(plan) > 1:
        (folder / f"{stem}.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": total}, "weight_map": place}, indent=1)
        )
