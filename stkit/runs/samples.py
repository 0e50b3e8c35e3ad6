"""Real persons to try the kit on: short films that their publisher allows to be passed on.

They are fetched on request (`stkit run sample:kitchen`), checked by their hash, and cut to one
face. The list is data_manifest/assets.yml; nothing of it is in the repository.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit.assets import cache_dir, entry_of, get_asset
from stkit.errors import RequestError
from stkit.io.tensors import replace_file
from stkit.io.video import Crop, frames_at, write_video

PREFIX = "sample:"
RATE = 25  # frames a second of the cut film


@dataclass(frozen=True)
class Sample:
    """asset: of the manifest; who: in words; seconds: from and to; crop: width, height, left, top
    in pixels.
    """

    asset: str
    who: str
    seconds: tuple[float, float]
    crop: Crop


SAMPLES = {
    "coat": Sample("sample_coat", "a woman in a coat, outdoors", (2, 10), (512, 512, 334, 545)),
    "kitchen": Sample("sample_kitchen", "a man in a kitchen", (5, 13), (680, 680, 195, 160)),
    "curtain": Sample("sample_curtain", "a man before a curtain", (4, 12), (512, 512, 324, 430)),
}


def sample_clip(name: str) -> Path:
    """The film of a sample, fetched and cut. Raises RequestError with the names that there are,
    and MissingFileError with what to do where it cannot be fetched.
    """
    if name not in SAMPLES:
        raise RequestError(f"{PREFIX}{name}: there are {', '.join(SAMPLES)}")
    sample = SAMPLES[name]
    target = cache_dir() / "samples" / f"{name}.mp4"
    if not target.exists():
        film = get_asset(sample.asset)
        entry = entry_of(sample.asset)
        print(f"{PREFIX}{name} shows {sample.who}; {entry['url']}, licence {entry['licence']}")
        target.parent.mkdir(parents=True, exist_ok=True)
        start, end = sample.seconds
        times = (start + np.arange(round((end - start) * RATE)) / RATE).tolist()
        frames = np.stack(frames_at(film, times, sample.crop))
        replace_file(target, lambda part: write_video(part, frames, RATE))
    return target
