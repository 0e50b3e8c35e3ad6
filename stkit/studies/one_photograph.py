"""A head from one picture beside the head of a video: `python -m stkit.studies.one_photograph`.

Of made-up people, whose true sides are known. The picture is the neutral frame of the video.

    for s in mara sami walter zola; do stkit run synthetic:$s --name q-$s; done
    python -m stkit.studies.one_photograph --runs q-mara q-sami q-walter q-zola --write FILE
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stkit.cameras import orbit_camera
from stkit.capture.capture import Capture
from stkit.capture.detect import still_landmarks
from stkit.face_models.landmarks import KEPT_66
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import png, u8
from stkit.io.tensors import write_json
from stkit.metrics.identity import embedding, has_embedding, identity_distance
from stkit.metrics.pictures import psnr
from stkit.progress import bar
from stkit.runs.folders import run_folder
from stkit.runs.machine import circumstances, machine
from stkit.runs.road import Road
from stkit.runs.scores import rescaled, true_to_tracked
from stkit.space import HEAD_CENTRE, to_world
from stkit.synthetic.subject import Subject, film, named_subject

AZIMUTHS = (0.0, 30.0, 60.0)  # degrees, to both sides


@dataclass(frozen=True)
class Truth:
    """A made-up person in frame t of a performance."""

    subject: Subject
    t: int

    def scores(self, head: GaussianHead, capture: Capture, own: int) -> dict[str, float]:
        """PSNR (dB) at each azimuth, and dlib's distance from the front, of a head whose capture
        has the same moment as frame `own`.
        """
        frame = self.subject.performance.frame_pose(self.t)
        centre = to_world(HEAD_CENTRE, frame)[0]
        factor = true_to_tracked(self.subject.landmarks(self.t)[KEPT_66], capture, own)
        found: dict[str, float] = {}
        for azimuth in AZIMUTHS:
            values = []
            for angle in {azimuth, -azimuth}:
                camera = orbit_camera(capture.camera, angle, target=centre)
                truth = self.subject.render(self.t, camera)[0].clamp(0, 1)
                seen = head.render_frame(capture, own, rescaled(camera, factor, capture))
                values.append(psnr(seen, truth))
            found[f"psnr_{azimuth:.0f}"] = sum(values) / len(values)
            if azimuth == 0 and has_embedding():
                found["identity"] = _identity(truth, seen)
        return found


def _identity(truth: Tensor, seen: Tensor) -> float:
    pictures = [u8(truth), u8(seen)]
    points = still_landmarks(pictures)
    codes = [embedding(p, marks) for p, marks in zip(pictures, points) if marks is not None]
    return identity_distance(*codes) if len(codes) == 2 else float("nan")


def measure(run: str) -> dict:
    """Scores of the video's head and of the picture's, and the seconds from picture to head."""
    video = Road(run, quiet=True)
    capture = video.capture()
    subject = named_subject(capture.source, len(capture))
    truth = Truth(subject, capture.neutral)
    file = run_folder(f"{run}-photo-source") / "photo.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(png(u8(film(subject, capture.size, truth.t))))
    photo = Road(f"{run}-photo", str(file), "quick", quiet=True)
    seconds = {name: _timed(make) for name, make in _stages(photo).items()}
    still = photo.capture()
    return {
        "video": truth.scores(video.gaussian_head(), capture, truth.t),
        "photo": truth.scores(photo.gaussian_head(), still, still.neutral),
        "seconds": seconds | {"all": sum(seconds.values())},
    }


def _stages(road: Road) -> dict[str, Callable[[], object]]:
    return {
        "tracking": road.raw_capture,
        "mesh": road.mesh_head,
        "views and Gaussians": road.gaussian_head,
    }


def _timed(make: Callable[[], object]) -> float:
    begun = time.monotonic()
    make()
    return round(time.monotonic() - begun, 1)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True, help="of made-up people, in quick")
    parser.add_argument("--write", type=Path)
    a = parser.parse_args(arguments)
    torch.manual_seed(0)
    found = {run: measure(run) for run in bar(a.runs, desc="people")}
    print(json.dumps(found, indent=1))
    if a.write:
        write_json(a.write, {"people": found, "machine": machine(), **circumstances()})


if __name__ == "__main__":
    main()
