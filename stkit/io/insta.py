"""Data sets in INSTA's layout: pictures, and which of them are for training and which for scoring.

Facts from INSTA's data sets (Zielonka et al. 2023): a folder with transforms_train.json and
transforms_test.json, perhaps transforms_val.json; each lists `frames`, whose `file_path` names a
picture, with or without its ending, under the folder. The test frames are the last of the film.
Cameras and FLAME meshes stand beside them and are not read: the kit tracks by itself.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from stkit.io.limits import read_text
from stkit.io.pictures import open_picture
from stkit.io.untrusted import UnsafeFileError
from stkit.io.video import FOLDER_RATE, MIN_FRAMES, VideoError

TRAIN, VALIDATION, TEST = (f"transforms_{part}.json" for part in ("train", "val", "test"))
ENDINGS = ("", ".png", ".jpg")


def is_insta(folder: Path) -> bool:
    """Whether a folder has INSTA's layout."""
    return folder.is_dir() and all((folder / name).is_file() for name in (TRAIN, TEST))


def read_insta(folder: Path, max_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to `max_frames` frames (F, H, W, 3) uint8, evenly over the film, and their times (F,)
    seconds, 25 frames a second. Where pictures have a matte they stand over white.

    Raises VideoError naming the file that is missing or cannot be read.
    """
    files = pictures(folder)
    chosen = np.linspace(0, len(files) - 1, min(max_frames, len(files))).round().astype(int)
    if len(chosen) < MIN_FRAMES:
        raise VideoError(f"{folder}: {len(chosen)} frames are too few to learn an avatar from")
    frames = np.stack([_over_white(files[k]) for k in chosen])
    return frames, (chosen / FOLDER_RATE).astype(np.float32)


def first_test_second(folder: Path) -> float:
    """From when on the film's frames are for scoring, seconds.

    Raises VideoError where the test frames are not the last ones of the film.
    """
    names, test = [f.name for f in pictures(folder)], [f.name for f in _listed(folder, TEST)]
    first = len(names) - len(test)
    if not test or set(names[first:]) != set(test):
        raise VideoError(f"{folder / TEST}: its frames are not the last ones of the film")
    return first / FOLDER_RATE


def pictures(folder: Path) -> list[Path]:
    """All pictures of the film, in order."""
    parts = [name for name in (TRAIN, VALIDATION, TEST) if (folder / name).is_file()]
    return sorted({file for part in parts for file in _listed(folder, part)})


def _listed(folder: Path, part: str) -> list[Path]:
    """The pictures that a list names. Raises VideoError."""
    try:
        entries = json.loads(read_text(folder / part))["frames"]
        named = [folder / str(entry["file_path"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
        raise VideoError(f"{folder / part}: not a list of frames ({e})") from e
    return [_existing(path) for path in named]


def _existing(path: Path) -> Path:
    for ending in ENDINGS:
        file = path.with_name(path.name + ending)
        if file.is_file():
            return file
    raise VideoError(f"{path}: a frame is listed that is not there")


def _over_white(file: Path) -> np.ndarray:
    try:
        picture = open_picture(file, "RGBA")
    except UnsafeFileError as e:
        raise VideoError(f"{file}: not an image that can be read ({e})") from e
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
