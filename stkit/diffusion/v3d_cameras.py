"""How V3D frames a figure: the picture it is given, and the cameras that it answers from."""

import cv2
import numpy as np
import torch
from scipy.ndimage import binary_fill_holes
from torch import Tensor

from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.errors import RequestError

# V3D's (lineage.md 3): 18 pictures, each turned by 20 degrees more than the one before
FRAMES, STEP = 18, 20.0
RADIUS = 2.0  # distance of its camera, in its units
FOCAL = 443.405 / 512  # focal length in image widths: 60 degrees
BORDER = 0.3  # share of the square that the figure's longest side leaves free
LONGEST = (1 - BORDER) / FOCAL * RADIUS  # a figure's longest side in V3D's units: 1.617
NEARLY_WHITE = 0.95  # darkest channel from which on a pixel is background; the kit's


def box_of(matte: Tensor) -> tuple[float, float, float]:
    """Centre (x, y) and longest side of a matte's figure (H, W, 1), in pixels.

    ValueError if it is empty.
    """
    ys, xs = torch.nonzero(matte[..., 0] > 0.5, as_tuple=True)
    if not len(xs):
        raise RequestError("the neutral frame's matte is empty; look at preprocess/tracking.png")
    low = torch.stack([xs.min(), ys.min()]).float()
    high = torch.stack([xs.max(), ys.max()]).float() + 1
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def recentre(image: Tensor, matte: Tensor, size: int) -> Tensor:
    """The figure of a picture (H, W, 3) over white in the middle of a square (size, size, 3).

    Its longest side is 0.7 of the square's. matte (H, W, 1); ValueError if it is empty.
    """
    x, y, longest = box_of(matte)
    height, width = image.shape[:2]
    half = longest / (1 - BORDER) / 2
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    rows, columns = torch.meshgrid(y + half * steps, x + half * steps, indexing="ij")
    grid = torch.stack([columns / width * 2 - 1, rows / height * 2 - 1], -1)[None]
    dark = (1 - image).permute(2, 0, 1)[None]  # what is outside the picture becomes white
    square = torch.nn.functional.grid_sample(dark, grid, mode="bilinear", align_corners=False)
    return 1 - square[0].permute(1, 2, 0).clamp(0, 1)


def v3d_cameras(capture: Capture, azimuths: tuple[float, ...]) -> list[Camera]:
    """V3D's cameras around the neutral frame's head, at the capture's size; azimuths in degrees."""
    t = capture.neutral
    matte, centre = capture.matte(t), capture.head_centre(t)
    return cameras_around(matte, capture.camera, centre, azimuths, capture.size)


def cameras_around(
    matte: Tensor, camera: Camera, head: Tensor, azimuths: tuple[float, ...], size: int
) -> list[Camera]:
    """V3D's cameras of `size` pixels around the middle of a matte's figure.

    They stand 2 of V3D's units away and are 60 degrees wide.

    matte (H, W, 1) is `camera`'s; head (3,) gives the figure's depth, world decimetres; azimuths in
    degrees. One unit is the figure's longest side over 1.617. V3D sees with perspective what a
    telephoto lens filmed: its pictures fit in the middle and are off towards the ears.
    """
    x, y, longest = box_of(matte)
    depth = camera.to_camera(head)[2]
    pixel = depth / camera.K[0, 0]  # decimetres
    in_camera = torch.stack([(x - camera.K[0, 2]) * pixel, (y - camera.K[1, 2]) * pixel, depth])
    to_world = camera.viewmat[:3, :3].T
    pivot = to_world @ (in_camera - camera.viewmat[:3, 3])
    distance = RADIUS * longest * float(pixel) / LONGEST
    viewmat = camera.viewmat.clone()
    centre = pivot + to_world @ torch.tensor([0.0, 0.0, -distance])
    viewmat[:3, 3] = -viewmat[:3, :3] @ centre
    K = torch.tensor([[FOCAL * size, 0, size / 2], [0, FOCAL * size, size / 2], [0, 0, 1.0]])
    return [orbit_camera(Camera(viewmat, K, size, size), a, target=pivot) for a in azimuths]


def figure_mask(picture: Tensor) -> Tensor:
    """The figure of a picture (H, W, 3) over white as a mask (H, W, 1) of 0 and 1.

    It is the largest piece that is not white, its holes filled.
    """
    figure = (picture.min(-1).values < NEARLY_WHITE).numpy().astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(figure)
    if count < 2:
        return torch.zeros(*picture.shape[:2], 1)
    largest = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return torch.from_numpy(binary_fill_holes(largest).astype(np.float32))[..., None]


def chin_row(on_head: Tensor) -> int:
    """How many rows of a picture of `on_head` (H, W, 1) reach to the chin; 0 without a head.

    on_head: 1 above the neck, 0 on the chest (`space.skin_weight`).
    """
    rows = torch.nonzero((on_head[..., 0] > 0.9).any(1))[:, 0]
    return int(rows.max()) + 1 if len(rows) else 0
