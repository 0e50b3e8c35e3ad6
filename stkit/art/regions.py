"""Which region of a face each pixel of a picture, and each Gaussian of a head, belongs to."""

import torch
from torch import Tensor

from stkit.art.art_style import REGIONS
from stkit.capture.capture import Capture
from stkit.diffusion.regions import find_regions
from stkit.geometry import nearest
from stkit.heads.gaussian import GaussianHead

AZIMUTHS = (0.0, -25.0, 25.0, -50.0, 50.0, -75.0, 75.0)  # degrees: views that vote
SEES_FEATURES = 30.0  # degrees, up to which lips, eyes and brows are looked for
LEAST_VOTE = 0.05  # of a pixel: Gaussians that no view shows ask their neighbours
NEIGHBOURS = 6  # whose shares are averaged: Gaussians below the surface are seen by chance
FEATURES = ("eyes", "lips", "brows")  # in this order they lie over each other, and over the skin


def picture_regions(image: Tensor, landmarks: Tensor, features: bool = True) -> Tensor:
    """Shares (H, W, 6) of `art_style.REGIONS` of an image (H, W, 3) over white with 66 landmarks
    (66, 2) in pixels. features: whether lips, eyes and brows are looked for.
    """
    found = find_regions(image.double().numpy(), landmarks.double().numpy())
    masks = {name: torch.from_numpy(found[name]) for name in (*REGIONS, "mouth", "foreground")}
    left = masks["foreground"] * (1 - masks["mouth"])
    shares: dict[str, Tensor] = {}
    for name in FEATURES:
        shares[name] = left * masks[name] * features
        left = left - shares[name]
    for name in ("hair", "skin", "clothes"):
        shares[name] = left * masks[name]
        left = left - shares[name]
    return torch.stack([shares[name] for name in REGIONS], -1).float()


def gaussian_regions(head: GaussianHead, capture: Capture) -> Tensor:
    """Shares (N, 6) of each Gaussian: the views in which it shows vote by how much it shows.

    A Gaussian's part of a picture is the gradient of the picture's sum with respect to its colour,
    so the gradient of the masked picture says which regions it paints.
    """
    gaussians = head.gaussians(capture.frame_pose(capture.neutral)).detach()
    landmarks = capture.landmarks3d[capture.neutral]
    votes = torch.zeros(len(gaussians), len(REGIONS))
    for azimuth, camera in zip(AZIMUTHS, capture.orbit_cameras(AZIMUTHS)):
        image, _ = gaussians.render(camera)
        features = abs(azimuth) <= SEES_FEATURES
        shares = picture_regions(image.clamp(0, 1), camera.project(landmarks), features)
        asked = torch.zeros_like(votes, requires_grad=True)
        (gaussians.splat(asked, camera) * shares).sum().backward()
        votes += _gradient(asked)
    return _completed(votes, head.xyz.detach())


def _gradient(x: Tensor) -> Tensor:
    assert x.grad is not None
    return x.grad


def _completed(votes: Tensor, places: Tensor) -> Tensor:
    """Votes (N, 6) as shares, which those of the nearest who got votes smooth, or stand in for."""
    known = torch.nonzero(votes.sum(1) > LEAST_VOTE)[:, 0]
    around = nearest(places, places[known], k=NEIGHBOURS)[1]
    total = votes[known][around].sum(1)
    return total / total.sum(1, keepdim=True).clamp_min(LEAST_VOTE)
