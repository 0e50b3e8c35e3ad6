"""Styling of pictures one by one, as a filter does it: what a head in 3D is compared with.

It knows no surface: patterns are fastened to the picture, light comes from nowhere, and regions and
colours are looked for in every picture anew.
"""

import torch
from torch import Tensor

from stkit.art.art_style import ArtStyle
from stkit.art.gbuffer import GBuffer
from stkit.art.regions import picture_regions
from stkit.art.shading import region_colours, restyle
from stkit.cameras import Camera

TOWARDS = torch.tensor([0.0, 0.0, 1.0])


def flat_layers(image: Tensor, matte: Tensor, landmarks: Tensor, pixel: float) -> GBuffer:
    """A G-buffer of a picture (H, W, 3) over white with its matte (H, W, 1) and 66 landmarks
    (66, 2) in pixels, as if it were flat; pixel: decimetres.
    """
    height, width = image.shape[:2]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = pixel * torch.stack([x - width / 2, height / 2 - y, torch.zeros_like(x)], -1)
    regions = picture_regions(image, landmarks)
    return GBuffer(image, matte, TOWARDS.expand(image.shape), place.float(), regions, pixel)


def restyle_picture(
    image: Tensor,
    matte: Tensor,
    landmarks: Tensor,
    camera: Camera,
    style: ArtStyle,
    degree: float,
    color_transfer: float,
) -> Tensor:
    """The styled picture (H, W, 3) over white, from the picture alone."""
    pixel = float(camera.centre().norm() / camera.K[0, 0])
    layers = flat_layers(image, matte, landmarks, pixel)
    return restyle(layers, style, region_colours(layers), degree, color_transfer)
