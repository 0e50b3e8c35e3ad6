"""True pictures of made-up people from the side, for any version and any method to be measured on.

    python -m stkit.studies.side_views film --seeds 101 102 103 104 --folder sides
    stkit run sides/101/frames --name p101 --profile laptop
    python -m stkit.studies.side_views score --folder sides --runs p --write docs/results/sides.json

`film` writes one folder a person: frames/ (pictures, as a camera would have filmed them) and
sides.npz (true pictures of four held-out frames from each azimuth, their cameras, and the true
landmarks). Only frames/ may be shown to the method. `score` compares the runs PREFIX + SEED.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.capture.capture import Arrays, Capture, split_frames
from stkit.face_models.landmarks import KEPT_66
from stkit.io.images import png
from stkit.io.tensors import write_text
from stkit.metrics.pictures import psnr
from stkit.runs.machine import circumstances, machine
from stkit.runs.road import Road
from stkit.runs.scores import NOVEL_FRAMES, every, rescaled, true_to_tracked
from stkit.runs.source import Source
from stkit.space import HEAD_CENTRE, to_world
from stkit.synthetic.subject import named_subject

FRAMES, SIZE = 120, 256  # as the `laptop` profile takes them
AZIMUTHS = (-60.0, -30.0, 30.0, 60.0)  # degrees to the subject's left

Draw = Callable[[int, Camera], Tensor]


@dataclass(frozen=True)
class Sides(Arrays):
    """N true pictures (N, H, W, 3) uint8 over white: of frame t (N,) from azimuth (N,) degrees by a
    camera viewmat (N, 4, 4); landmarks (N, 66, 3): the true ones of that frame, world decimetres.
    """

    frames: np.ndarray
    t: Tensor
    azimuth: Tensor
    viewmat: Tensor
    landmarks: Tensor

    def camera(self, k: int, capture: Capture) -> Camera:
        """Picture k's camera in the world of a tracked capture, which one camera cannot tell from
        the true one scaled about the camera's centre.
        """
        factor = true_to_tracked(self.landmarks[k], capture, int(self.t[k]))
        camera = Camera(self.viewmat[k], capture.camera.K, capture.size, capture.size)
        return rescaled(camera, factor, capture)

    def score(self, capture: Capture, draw: Draw) -> dict[str, float]:
        """Mean PSNR (dB) of draw(t, camera) -> (H, W, 3) over the pictures of each azimuth, and its
        opposite.
        """
        found: dict[str, list[float]] = {}
        for k, azimuth in enumerate(self.azimuth.tolist()):
            picture = draw(int(self.t[k]), self.camera(k, capture))
            truth = torch.from_numpy(self.frames[k]).float() / 255
            found.setdefault(f"{abs(azimuth):.0f}", []).append(psnr(picture, truth))
        return {name: float(np.mean(values)) for name, values in found.items()}


def true_sides(text: str) -> Sides:
    """The true pictures of 'synthetic:SEED' from all AZIMUTHS."""
    subject, front = named_subject(text, FRAMES), front_camera(SIZE)
    shots = []
    for t in every(split_frames(FRAMES)[1], NOVEL_FRAMES):
        centre = to_world(HEAD_CENTRE, subject.performance.frame_pose(t))[0]
        marks = subject.landmarks(t)[KEPT_66]
        for azimuth in AZIMUTHS:
            camera = orbit_camera(front, azimuth, target=centre)
            picture = (subject.render(t, camera)[0].clamp(0, 1) * 255).round().byte().numpy()
            shots.append((picture, t, azimuth, camera.viewmat, marks))
    pictures, moments, azimuths, viewmats, landmarks = zip(*shots)
    return Sides(
        np.stack(pictures),
        torch.tensor(moments),
        torch.tensor(azimuths),
        torch.stack(viewmats),
        torch.stack(landmarks),
    )


def film(seed: int, folder: Path) -> None:
    """Write frames/ and sides.npz of one person."""
    text, place = f"synthetic:{seed}", folder / str(seed)
    (place / "frames").mkdir(parents=True, exist_ok=True)
    video, _ = Source.parse(text).frames(FRAMES, SIZE)
    for t, frame in enumerate(video):
        (place / "frames" / f"{t:04}.png").write_bytes(png(frame))
    true_sides(text).save(place / "sides.npz")


def score(run: str, folder: Path) -> dict[str, float]:
    """A run's mean PSNR (dB) at each azimuth."""
    road = Road(run, quiet=True)
    head, capture = road.gaussian_head(), road.capture()
    sides = Sides.load(folder / "sides.npz")
    return sides.score(capture, lambda t, camera: head.render_frame(capture, t, camera))


def main() -> None:
    """Film people, or score runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("film", "score"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104])
    parser.add_argument("--folder", type=Path, default=Path("sides"))
    parser.add_argument("--runs", default="p", help="runs are called this and the seed")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    found = {}
    for seed in arguments.seeds:
        if arguments.what == "film":
            film(seed, arguments.folder)
            continue
        found[str(seed)] = score(f"{arguments.runs}{seed}", arguments.folder / str(seed))
        print(seed, {name: round(value, 2) for name, value in found[str(seed)].items()}, flush=True)
    if arguments.write and found:
        record = {"psnr": found, "machine": machine(), "computed": circumstances()}
        write_text(arguments.write, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
