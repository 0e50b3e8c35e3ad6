"""V3D's released checkpoint as a diffusers folder: V3D's UNet, and the other parts of SVD-XT.

Nothing in the checkpoint is executed, and no more than one shard of it is in memory.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from stkit.diffusion.sgm_names import name_map
from stkit.errors import MissingFileError, RequestError
from stkit.io.checkpoint import load_checkpoint
from stkit.io.untrusted import UnsafeFileError

PREFIX = "model.diffusion_model."  # of the UNet's tensors in an sgm checkpoint
CONTAINERS = ("state_dict", "module", "model")  # keys under which trainers put the tensors
SHARD = 500_000_000  # bytes
WEIGHTS = "diffusion_pytorch_model"
SVD = "stabilityai/stable-video-diffusion-img2vid-xt"
SVD_FILES = (
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "image_encoder/config.json",
)
NOT_COPIED = ("unet", "*.msgpack", "*.ckpt", ".git*", "svd*.safetensors")

NameMap = dict[str, tuple[str, torch.Size]]  # see `name_map`


def convert_v3d(
    checkpoint: Path,
    svd: Path,
    out: Path,
    half: bool = True,
    progress=lambda items, **_: items,
) -> Path:
    """Write `out`, a StableVideoDiffusionPipeline folder.

    Its UNet is the checkpoint's, in half precision if `half`; all else is the diffusers folder
    `svd`'s. `out` appears only when it is whole. Raises RequestError or MissingFileError naming the
    file and what is wrong.
    """
    checkpoint, svd, out = Path(checkpoint), Path(svd), Path(out)
    if out.exists():
        raise RequestError(f"{out}: exists already; give another --out, or delete it")
    names = _names_of(svd)
    weights = unet_weights(checkpoint)
    _check(checkpoint, weights, names)
    work = out.with_name(out.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(svd, work, ignore=shutil.ignore_patterns(*NOT_COPIED))
    (work / "unet").mkdir()
    shutil.copy(svd / "unet" / "config.json", work / "unet")
    _write_shards(work / "unet", weights, names, torch.float16 if half else None, progress)
    work.replace(out)
    return out


def _names_of(svd: Path) -> NameMap:
    """The parameters that an SVD folder's UNet has."""
    for file in SVD_FILES:
        if not (svd / file).is_file():
            raise MissingFileError(
                f"{svd}: {file} is missing; --svd must be the diffusers folder of {SVD}"
            )
    try:
        return name_map(json.loads((svd / "unet" / "config.json").read_text()))
    except (ValueError, TypeError, KeyError) as e:
        raise RequestError(
            f"{svd}/unet/config.json: not the configuration of an SVD UNet ({e})"
        ) from e


def unet_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The UNet's tensors of an sgm checkpoint by their sgm names, mapped from the disk.

    Raises UnsafeFileError if there are none, or the file cannot be read as data.
    """
    data = load_checkpoint(checkpoint)
    for key in CONTAINERS:
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


def _check(checkpoint: Path, weights: dict[str, Tensor], names: NameMap) -> None:
    wanted = dict(names.values())
    missing = sorted(set(wanted) - set(weights))
    unknown = sorted(set(weights) - set(wanted))
    if missing or unknown:
        first = ", ".join((missing or unknown)[:3])
        raise RequestError(
            f"{checkpoint}: {len(missing)} tensors are missing and {len(unknown)} are unknown "
            f"for this SVD configuration (first: {first})"
        )
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise RequestError(
                f"{checkpoint}: {name} has shape {tuple(weights[name].shape)}, "
                f"the configuration asks for {tuple(shape)}"
            )


def _write_shards(
    folder: Path,
    weights: dict[str, Tensor],
    names: NameMap,
    dtype: torch.dtype | None,
    progress,
) -> None:
    """Write the sharded safetensors of diffusers with their index, one shard at a time."""
    shards = list(_plan(names, 2 if dtype == torch.float16 else 4))
    place: dict[str, str] = {}
    total = 0
    for k, shard in enumerate(progress(shards, desc="converting")):
        file = f"{WEIGHTS}.safetensors"
        if len(shards) > 1:
            file = f"{WEIGHTS}-{k + 1:05d}-of-{len(shards):05d}.safetensors"
        tensors = {name: _converted(weights[names[name][0]], dtype) for name in shard}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        place |= dict.fromkeys(shard, file)
        total += sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": place}
        (folder / f"{WEIGHTS}.safetensors.index.json").write_text(json.dumps(index, indent=1))


def _plan(names: NameMap, element_size: int) -> Iterator[list[str]]:
    """The names in shards of at most `SHARD` bytes, or of one tensor."""
    shard: list[str] = []
    used = 0
    for name, (_, shape) in names.items():
        size = shape.numel() * element_size
        if shard and used + size > SHARD:
            yield shard
            shard, used = [], 0
        shard.append(name)
        used += size
    yield shard


def _converted(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A copy in memory, in another precision if asked for. RequestError if it is not finite."""
    tensor = value.to(dtype or value.dtype, copy=True).contiguous()
    if not torch.isfinite(tensor).all():
        raise RequestError(
            "the checkpoint holds values that are not finite "
            "(or too large for half precision: use --full)"
        )
    return tensor
