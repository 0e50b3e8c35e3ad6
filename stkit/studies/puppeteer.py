"""How well a head follows a camera: `python -m stkit.studies.puppeteer --write FILE`.

Made-up people perform before a made-up camera; what `capture.live` answers, frame after frame, is
compared with what they did. Calibration sees the calmest frame alone, twenty times.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.capture.live import CALIBRATION_FRAMES, SIZE, LiveTracker
from stkit.face_models import builtin
from stkit.face_models.landmarks import openings
from stkit.geometry import so3_exp, yaw_pitch_roll
from stkit.io.images import u8
from stkit.io.tensors import write_json
from stkit.metrics.pictures import correlation
from stkit.progress import bar
from stkit.runs.machine import circumstances, machine
from stkit.synthetic.subject import CAST, film, make_subject

PEOPLE = (*CAST.values(), 9100, 9101, 9102, 9103)  # seeds: the docs' four, and four others
FRAMES, SECONDS = 100, 6.0
ACTIONS = (
    "jawOpen",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "mouthSmileLeft",
    "browInnerUp",
    "mouthPucker",
    "eyeLookInLeft",
    "eyeLookUpLeft",
)
LEAST_MOVED = 0.02  # standard deviation of an action below which a performance does not show it


def measure(seed: int) -> dict[str, float]:
    """Correlations of actions and of the openings of mouth and lids, errors of the turn (degrees),
    milliseconds a frame, and the share of frames with a face.
    """
    subject = make_subject(seed, FRAMES, SECONDS)
    done = subject.performance
    calm = int(done.beta[:, :52].abs().sum(1).argmin())
    frames = [u8(film(subject, SIZE, t)) for t in range(FRAMES)]
    tracker = LiveTracker()
    for _ in range(CALIBRATION_FRAMES):
        tracker(frames[calm])
    found, seconds = [], []
    for frame in frames:
        begun = time.perf_counter()
        found.append(tracker(frame))
        seconds.append(time.perf_counter() - begun)
    tracker.close()
    seen = [t for t in range(FRAMES) if found[t] is not None]
    beta = torch.stack([f.beta for f in found if f is not None])
    pose = torch.stack([f.pose for f in found if f is not None])
    out = {"seen": len(seen) / FRAMES, "ms": 1000 * float(np.median(seconds))}
    out |= _turn_errors(pose, done.pose[seen], done.pose[calm])
    out |= _correlations(beta, done.beta[seen])
    return out


def _turn_errors(pose: Tensor, truth: Tensor, calm: Tensor) -> dict[str, float]:
    """Of yaw since the calmest frame."""
    found, true = (yaw_pitch_roll(so3_exp(p[:, :3]))[0].rad2deg() for p in (pose, truth))
    apart = found - true
    apart = (apart - apart.median()).abs()
    return {"yaw_mean": float(apart.mean()), "yaw_worst": float(apart.max())}


def _correlations(beta: Tensor, truth: Tensor) -> dict[str, float]:
    names = builtin().expression_names
    out = {}
    for action in ACTIONS:
        k = names.index(action)
        if truth[:, k].std() > LEAST_MOVED:
            out[action] = correlation(beta[:, k], truth[:, k])
    found, true = _openings(beta), _openings(truth)
    return out | {
        name: correlation(found[:, k], true[:, k]) for k, name in enumerate(("lips", "lids"))
    }


def _openings(beta: Tensor) -> Tensor:
    """How far lips and lids of the mean face are open (F, 2) under expressions (F, 64)."""
    model = builtin()
    points = model.points(model.landmarks, torch.zeros(len(model.identity)), beta)
    return openings(points[..., :2])


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    a = parser.parse_args(arguments)
    people = {str(seed): measure(seed) for seed in bar(PEOPLE, desc="people")}
    names = sorted({name for row in people.values() for name in row})
    rows = {n: [row[n] for row in people.values() if n in row] for n in names}
    result = {
        n: {"mean": float(np.mean(v)), "least": min(v), "most": max(v)} for n, v in rows.items()
    }
    print(json.dumps(result, indent=1))
    if a.write:
        about = {"machine": machine(), **circumstances()}
        write_json(a.write, {"summary": result, "people": people, **about})


if __name__ == "__main__":
    main()
