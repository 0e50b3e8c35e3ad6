"""How near tracking comes to the truth, on made-up people whose shapes the face model cannot reach.

    python -m stkit.studies.tracking_truth --people 10 --write docs/results/tracking.json

People are drawn from the whole population: a tenth of the local shapes never entered the model's 80
directions, and left and right differ a little. Each is filmed and tracked like any video.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.capture.preprocess import preprocess
from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.head import ARKIT
from stkit.geometry import nearest, umeyama, vertex_normals
from stkit.io.tensors import write_text
from stkit.metrics.pictures import correlation
from stkit.runs.machine import circumstances, machine
from stkit.runs.profiles import get_profile
from stkit.runs.source import Source
from stkit.synthetic.subject import Subject, named_subject

FIRST_SEED = 201
MARKS = [*range(4, 13), *range(17, 68)]  # landmarks of the face without its sides (iBUG)
FACE = 0.3  # decimetres: skin this near to one of them belongs to the face
FORWARD = 0.0  # least z of a unit normal that looks forward
STILL = 0.03  # standard deviation of an action, below which it was hardly asked for


@dataclass(frozen=True)
class Truth:
    """One person: mean distance of the fitted face to the true one in millimetres, after the best
    similarity; depth of the fitted face over the true one's, at equal width and height; and the
    correlation over time of each action that moved, by name.
    """

    seed: int
    face_mm: float
    depth: float
    actions: dict[str, float]


def compare(capture: Capture, subject: Subject) -> Truth:
    """The tracked person beside the true one, both at rest."""
    count = len(makehuman().mean)
    true = subject.person.verts()
    fitted = capture.face().verts(capture.identity)[:count]
    face = face_vertices()
    a, b = fitted[face], true[face]
    R, T, scale = umeyama(a, b)
    aligned = scale * a @ R.T + T
    millimetres = 100 * float((aligned - b).norm(dim=1).mean())
    return Truth(subject.person.seed, millimetres, _depth(aligned, b), _actions(capture, subject))


def face_vertices() -> Tensor:
    """The numbers of the skin's vertices in front, between brows and chin."""
    head = makehuman()
    near = nearest(head.mean, head.mean[head.landmarks[MARKS]]).distances[:, 0] < FACE
    forward = vertex_normals(head.mean, head.faces)[:, 2] > FORWARD
    return torch.nonzero(near & forward & head.part("skin"))[:, 0]


def _depth(fitted: Tensor, true: Tensor) -> float:
    """Least squares along each axis: how much too deep a face (N, 3) is against its width."""
    a, b = fitted - fitted.mean(0), true - true.mean(0)
    per_axis = (a * b).sum(0) / b.square().sum(0)
    return float(per_axis[2] / per_axis[:2].mean())


def _actions(capture: Capture, subject: Subject) -> dict[str, float]:
    true, found = subject.performance.beta[:, :ARKIT], capture.beta[:, :ARKIT]
    names = makehuman().expression_names
    moving = torch.nonzero(true.std(0) > STILL)[:, 0].tolist()
    return {names[k]: correlation(true[:, k], found[:, k]) for k in moving}


def track(seed: int, profile: str | None) -> Truth:
    """Film and track the person of a seed, and compare."""
    settings = get_profile(profile).preprocess
    source = Source.parse(f"synthetic:{seed}")
    frames, times = source.frames(settings.max_frames, settings.size)
    capture, _ = preprocess(frames, times, source.clip_name, settings)
    return compare(capture, named_subject(source.text, settings.max_frames))


def main() -> None:
    """Track the people, print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.people):
        found.append(track(seed, arguments.profile))
        last = found[-1]
        print(f"{seed}: face {last.face_mm:.2f} mm, depth {last.depth:.3f}", flush=True)
    names = sorted({name for one in found for name in one.actions})
    actions = {n: float(np.mean([t.actions[n] for t in found if n in t.actions])) for n in names}
    for name, value in sorted(actions.items(), key=lambda item: -item[1]):
        print(f"{name:24} {value:.2f}")
    if arguments.write:
        record = {
            "people": [asdict(one) for one in found],
            "mean_face_mm": float(np.mean([one.face_mm for one in found])),
            "mean_action_correlation": actions,
            "profile": arguments.profile,
            "machine": machine(),
            "computed": circumstances(),
        }
        write_text(arguments.write, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
