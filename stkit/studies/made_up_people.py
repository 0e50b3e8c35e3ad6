"""Made-up people to look at, and how they do as pictures of faces.

`stkit people --write FOLDER` makes the two sheets of the documentation. `--frames N` also draws N
random frames, and counts in how many MediaPipe finds the face, in two processes.
"""

import json
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.capture.detect import seen_points
from stkit.face_models.makehuman import makehuman
from stkit.io.images import sheet, u8
from stkit.io.tensors import write_text
from stkit.runs.machine import circumstances, machine
from stkit.synthetic.performance import rest_pose
from stkit.synthetic.subject import DEMO_SEED, film, make_subject

SHEET_SEEDS = range(1000, 1024)
PER_ROW, TILE = 8, 256
FRAMES_OF_ONE = 10  # random frames that a person gives
SECONDS = 8.0
SIZE = 512  # pixels of the frames that are counted and timed
PROCESSES = 2
EXPRESSIONS: dict[str, dict[str, float]] = {
    "at rest": {},
    "jaw open": {"jawOpen": 0.7},
    "lips sealed": {"jawOpen": 0.4, "mouthClose": 0.4},
    "smile": {
        "mouthSmileLeft": 0.9,
        "mouthSmileRight": 0.9,
        "cheekSquintLeft": 0.6,
        "cheekSquintRight": 0.6,
    },
    "laugh": {
        "mouthSmileLeft": 0.8,
        "mouthSmileRight": 0.8,
        "jawOpen": 0.4,
        "mouthUpperUpLeft": 0.5,
        "mouthUpperUpRight": 0.5,
    },
    "frown": {"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0},
    "pucker": {"mouthPucker": 1.0},
    "funnel": {"mouthFunnel": 0.9, "jawOpen": 0.3},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "wink": {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.6},
    "brows up": {
        "browInnerUp": 1.0,
        "browOuterUpLeft": 1.0,
        "browOuterUpRight": 1.0,
        "eyeWideLeft": 0.6,
        "eyeWideRight": 0.6,
    },
    "brows down": {
        "browDownLeft": 1.0,
        "browDownRight": 1.0,
        "noseSneerLeft": 0.5,
        "noseSneerRight": 0.5,
    },
    "glance": {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8},
    "look down": {"eyeLookDownLeft": 0.8, "eyeLookDownRight": 0.8},
    "mouth to the left": {"mouthLeft": 1.0},
    "tongue out": {"tongueOut": 1.0, "jawOpen": 0.3},
}


@dataclass(frozen=True)
class Count:
    """In how many of so many frames a face was found; seconds of one frame on one core."""

    frames: int
    found: int
    seconds: float


def people_sheet() -> np.ndarray:
    """24 random people at the first moment of their performance, before white."""
    tiles = [make_subject(seed, 2).render(0, front_camera(TILE))[0] for seed in SHEET_SEEDS]
    rows = [tiles[k : k + PER_ROW] for k in range(0, len(tiles), PER_ROW)]
    return sheet(rows, height=TILE)


def expressions_sheet(seed: int = DEMO_SEED) -> np.ndarray:
    """16 expressions of one person, with their names."""
    subject = make_subject(seed, 2)
    camera, pose, names = close_up(TILE), rest_pose(), list(EXPRESSIONS)
    tiles = [subject.render(None, camera, _beta(EXPRESSIONS[n]), pose)[0] for n in names]
    parts = [
        sheet([tiles[k : k + PER_ROW]], names[k : k + PER_ROW], height=TILE)
        for k in range(0, len(tiles), PER_ROW)
    ]
    return np.concatenate(parts)


def close_up(size: int) -> Camera:
    """The filming camera with a longer lens, which shows the face from hair to chin."""
    camera = front_camera(size, focal=5.0)
    camera.K[1, 2] += 0.06 * size
    return camera


def _beta(actions: dict[str, float]) -> Tensor:
    """The expression (64,) of ARKit's actions by name."""
    beta = torch.zeros(len(makehuman().expression))
    for name, value in actions.items():
        beta[makehuman().expression_names.index(name)] = value
    return beta


def count_faces(frames: int) -> Count:
    """How often MediaPipe finds the face in random frames of random people."""
    seeds = range(-(-frames // FRAMES_OF_ONE))
    with get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.map(_found_in_one, seeds, chunksize=4)
    found, seconds = sum(r[0] for r in results), float(np.mean([r[1] for r in results]))
    return Count(len(seeds) * FRAMES_OF_ONE, found, seconds)


def _found_in_one(seed: int) -> tuple[int, float]:
    """In how many frames of a person a face is found, and seconds for each of them."""
    torch.set_num_threads(1)
    subject = make_subject(50_000 + seed, FRAMES_OF_ONE, SECONDS)
    film(subject, SIZE, 0)  # what is made once is not counted
    start = time.perf_counter()
    shots = np.stack([u8(film(subject, SIZE, t)) for t in range(FRAMES_OF_ONE)])
    seconds = (time.perf_counter() - start) / FRAMES_OF_ONE
    seen = [np.isfinite(seen_points(shot[None])).all() for shot in shots]  # each on its own
    return int(sum(seen)), seconds


def write(folder: Path, frames: int) -> dict[str, object]:
    """Write the sheets as people.jpg and expressions.jpg, and the count as people.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (("people", people_sheet()), ("expressions", expressions_sheet())):
        Image.fromarray(picture).save(folder / f"{name}.jpg", quality=88)
    if not frames:
        return {}
    count = count_faces(frames)
    record: dict[str, object] = {
        "frames": count.frames,
        "faces_found": count.found,
        "share": count.found / count.frames,
        "seconds_a_frame": round(count.seconds, 3),
        "size": SIZE,
        "machine": machine(),
        "computed": circumstances(),
    }
    write_text(folder / "people.json", json.dumps(record, indent=1) + "\n")
    return record
