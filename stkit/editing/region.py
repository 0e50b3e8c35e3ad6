"""Where a masked method may act: a region of the face in pictures, and the Gaussians that make it
up.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stkit.diffusion.regions import find_regions
from stkit.editing.shots import Shot
from stkit.errors import RequestError
from stkit.heads.gaussian import GaussianHead

Region = str | Callable[[Tensor, Tensor], Tensor]


def region_mask(image: Tensor, landmarks: Tensor, region: Region) -> Tensor:
    """A region (H, W, 1) in [0, 1] of a picture (H, W, 3), by its landmarks (66, 2) in pixels.

    `region`: a name, or a function of picture and landmarks. ValueError lists the names.
    """
    if callable(region):
        return region(image, landmarks)
    regions = find_regions(image.double().numpy(), landmarks.detach().double().numpy())
    if region not in regions:
        raise RequestError(f"region {region!r} is not one of {', '.join(regions)}")
    return torch.from_numpy(regions[region]).float()[..., None]


def trace_region(head: GaussianHead, shots: Sequence[Shot], masks: Sequence[Tensor]) -> Tensor:
    """Gaussians (N,) bool that belong to a region, from its masks (H, W, 1) in the shots: a vote of
    the pixels.

    Each vote counts by how much of the pixel the Gaussian makes up. Upstream counts every touched
    pixel as one; its weighted form stands beside that, commented out (lineage.md 5).
    """
    votes, total = torch.zeros_like(head.xyz[:, 0]), torch.zeros_like(head.xyz[:, 0])
    for shot, mask in zip(shots, masks):
        value = torch.zeros_like(head.xyz[:, :1], requires_grad=True)
        image, _ = head.render(shot.camera, shot.frame, extra=value)
        for sums, weight in ((votes, mask), (total, torch.ones_like(mask))):
            shared = (image[..., 3:] * weight).sum()
            sums += torch.autograd.grad(shared, value, retain_graph=True)[0][:, 0]
    return votes > 0.5 * total.clamp_min(1e-6)
