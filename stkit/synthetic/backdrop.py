"""Rooms behind made-up people: out-of-focus shapes and light, for matting to remove."""

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

SHAPES = (6, 22)  # in a room, from and to
BLUR = (0.01, 0.05)  # image widths: how far out of focus a room is
PLAIN = 0.25  # of all rooms are just a wall


@lru_cache(maxsize=4)
def backdrop(size: int, seed: int) -> Tensor:
    """A room behind a subject (S, S, 3), in [0, 1]: walls, furniture, windows and lamps."""
    rng = np.random.default_rng(seed + 50)
    picture = _walls(size, rng)
    if rng.random() > PLAIN:
        for _ in range(rng.integers(*SHAPES)):
            _furnish(picture, rng)
    blur = rng.uniform(*BLUR) * size
    picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return torch.from_numpy(np.clip(picture, 0, 1))


def _walls(size: int, rng: np.random.Generator) -> np.ndarray:
    """Two walls that meet, lit from one side."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    wall = rng.uniform(0.35, 0.8) + rng.normal(0, 0.06, 3)
    corner = rng.uniform(-0.5, 1.5)
    light = 0.8 + 0.35 * (1 - y) + rng.uniform(-0.2, 0.2) * x
    light = light * np.where(x < corner, 1.0, rng.uniform(0.7, 0.95))
    return (wall * light[..., None]).astype(np.float32)


def _furnish(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Draw one thing into the room: a box, a round lamp, or a row of books."""
    size = len(picture)
    x, y = rng.uniform(-0.1, 1.0, 2) * size
    width, height = rng.uniform(0.06, 0.4, 2) * size
    colour = np.clip(rng.uniform(0.1, 0.8) + rng.normal(0, 0.12, 3), 0, 1).tolist()
    kind = rng.random()
    low, high = (int(x), int(y)), (int(x + width), int(y + height))
    if kind < 0.55:
        cv2.rectangle(picture, low, high, colour, -1)
    elif kind < 0.75:
        bright = np.clip(np.array(colour) + 0.5, 0, 1.2).tolist()
        cv2.circle(picture, low, int(width / 4), bright, -1)
    else:
        at = x
        while at < x + width:
            thick = rng.uniform(0.01, 0.03) * size
            book = np.clip(rng.uniform(0.1, 0.8, 3), 0, 1).tolist()
            top = y + rng.uniform(0, 0.25) * height
            cv2.rectangle(
                picture, (int(at), int(top)), (int(at + thick), int(y + height)), book, -1
            )
            at += thick
