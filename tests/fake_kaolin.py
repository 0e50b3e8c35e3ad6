"""A stand-in, for the CPU, of what the kit uses of kaolin, written from its documentation.

Conventions: the camera looks along -z, the picture spans [-1, 1] with y up, the face with the
largest z is seen, values are interpolated over the picture's plane, `rasterize` gives face -1 where
nothing is. `dibr_soft_mask` is 1 on covered pixels and 1 - prod(1 - exp(-sigmainv d^2)) elsewhere,
over the first `knum` faces whose box, grown by `boxlen`, holds the pixel (Chen et al. 2019).
"""

import sys
from types import ModuleType

import torch
from torch import Tensor


def install(monkeypatch, wrap=lambda function: function) -> None:
    """Make `import kaolin.render.mesh` give this module's functions, each passed through `wrap`."""
    names = ("kaolin", "kaolin.render", "kaolin.render.mesh")
    modules = [ModuleType(name) for name in names]
    for name, module in zip(names, modules):
        monkeypatch.setitem(sys.modules, name, module)
    modules[0].render, modules[1].mesh = modules[1], modules[2]
    for function in (rasterize, dibr_soft_mask, dibr_rasterization):
        setattr(modules[2], function.__name__, wrap(function))


def _pixels(height: int, width: int) -> Tensor:
    """Pixel centres (H, W, 1, 2) in the picture, against which faces (F, ...) are broadcast."""
    x = (2 * torch.arange(width) + 1 - width) / width
    y = (height - 2 * torch.arange(height) - 1) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[:, :, None]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _barycentrics(pixels: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (corner - pixels for corner in faces.unbind(-2))
    areas = torch.stack([_cross(b, c), _cross(c, a), _cross(a, b)], -1)
    total = areas.sum(-1, keepdim=True)
    return areas / torch.where(total.abs() < 1e-12, torch.full_like(total, torch.nan), total)


def rasterize(height, width, face_vertices_z, face_vertices_image, face_features, valid_faces=None):
    """Interpolated features (1, H, W, D) and the visible face (1, H, W) or -1."""
    pixels, corners = _pixels(height, width), face_vertices_image[0]
    share = _barycentrics(pixels, corners.detach())
    hit = (share >= 0).all(-1)
    if valid_faces is not None:
        hit &= valid_faces[0]
    depth = torch.where(hit, (share * face_vertices_z[0]).sum(-1), -torch.inf)
    index = torch.where(hit.any(-1), depth.argmax(-1), -1)
    share = _barycentrics(pixels[:, :, 0], corners[index])
    image = (share[..., None] * face_features[0][index]).sum(-2)
    image = torch.where((index >= 0)[..., None], image, torch.zeros_like(image))
    return image[None], index[None]


def dibr_soft_mask(face_vertices_image, selected_face_idx, sigmainv=7000, boxlen=0.02, knum=30):
    """The soft mask (1, H, W) around the pixels that `rasterize` covered."""
    corners, index = face_vertices_image[0], selected_face_idx[0]
    pixels = _pixels(*index.shape)
    low, high = corners.amin(1).detach() - boxlen, corners.amax(1).detach() + boxlen
    near = ((pixels >= low) & (pixels < high)).all(-1)
    near &= near.cumsum(-1) <= knum
    edges = []
    for k in range(3):
        start, end = corners[:, k], corners[:, (k + 1) % 3]
        along = end - start
        t = ((pixels - start) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-20)
        foot = start + t.clamp(0, 1)[..., None] * along
        edges.append((pixels - foot).square().sum(-1))
    squared = torch.stack(edges, -1).amin(-1)
    miss = torch.where(near, 1 - torch.exp(-sigmainv * squared), torch.ones_like(squared))
    return torch.where(index >= 0, torch.ones_like(miss[..., 0]), 1 - miss.prod(-1))[None]


def dibr_rasterization(height, width, z, image, features, face_normals_z, **options):
    """Both at once; faces whose normal points away are not drawn."""
    out, index = rasterize(height, width, z, image, features, face_normals_z >= 0)
    return out, dibr_soft_mask(image, index, **options), index
