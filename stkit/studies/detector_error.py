"""Where MediaPipe misses the face model's points, learned from made-up people: theirs are known.

    python -m stkit.studies.detector_error --people 300

Each person is filmed in a few frames of a performance. What the detector misses, but for a shift, a
turn and a growth of the whole face, is carried back onto the head at rest. What follows the actions
of the face, the mean over people, and the main directions in which people differ go into
`face_models/makehuman/detector.safetensors`, see `stkit.face_models.detector`. Each person is
looked at once; stop any time.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera, front_camera
from stkit.capture.detect import still_points
from stkit.capture.shape import rigid_motions
from stkit.face_models.detector import DetectorError
from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.head import ARKIT, DETECTOR_FILE, DETECTOR_KIND, FOLDER
from stkit.geometry import so3_exp
from stkit.io.tensors import save_tensors
from stkit.progress import bar
from stkit.space import to_world
from stkit.synthetic.subject import film, make_subject

FIRST_SEED = 400_000
SIZE = 256  # pixels of the frames, as the `laptop` profile takes them
FRAMES, FILMED, SECONDS = 8, 80, 12.0  # that are looked at, of how many, over how long
MODES = 80
# weight of no offset at all: a point's depth hardly shows in frames that turn by 30 degrees
CAREFUL = 0.1
STEADY, DEPTH_STEADIER = 10.0, 10.0  # of what actions add, and how much more of its depth
ASKED = 0.01  # standard deviation of an action, below which nothing is learned of it
BESIDE_RIM = 0.06  # decimetres
MIDDLE = 0.1  # decimetres beyond the middle of the face, up to which an action of one side reaches


@dataclass(frozen=True)
class Looks:
    """F frames of one person: true points (F, N, 3) in the world, head poses (F, 6), expressions
    (F, E), and the detected points (F, N, 2) in pixels.
    """

    world: Tensor
    pose: Tensor
    beta: Tensor
    pixels: Tensor

    @staticmethod
    def of(seed: int, folder: Path) -> "Looks":
        """Those of the person of a seed, made once and kept in `folder`."""
        path = folder / f"{seed}.npz"
        if not path.exists():
            np.savez(path, **{k: v.numpy() for k, v in vars(_look(seed)).items()})
        with np.load(path, allow_pickle=False) as kept:
            return Looks(**{k: torch.from_numpy(kept[k]) for k in kept.files})


def _look(seed: int) -> Looks:
    """Film and detect the person of a seed; frames without a face are left out."""
    subject, head = make_subject(seed, FILMED, SECONDS), makehuman()
    ids = torch.cat([head.landmarks, head.dense])
    numbers = [*MEDIAPIPE_68, *head.dense_mediapipe.tolist()]
    chosen = np.sort(np.random.default_rng(seed).choice(FILMED, FRAMES, replace=False))
    frames = [(film(subject, SIZE, int(t)) * 255).round().byte().numpy() for t in chosen]
    found = still_points(frames)
    kept = [(int(t), points) for t, points in zip(chosen, found) if points is not None]
    performance = subject.performance
    world = [
        to_world(subject.body.canonical(performance.beta[t])[ids], performance.frame_pose(t))
        for t, _ in kept
    ]
    pixels = [torch.from_numpy(points[numbers]).float() for _, points in kept]
    moments = [t for t, _ in kept]
    pose, beta = performance.pose[moments], performance.beta[moments]
    return Looks(torch.stack(world), pose, beta, torch.stack(pixels))


@dataclass(frozen=True)
class Misses:
    """What is missed in F pictures: pixels (F, N, 2) without a similarity of each picture, and how
    pixels move with points on the head (F, N, 2, 3).
    """

    pixels: Tensor
    jacobian: Tensor

    @staticmethod
    def of(looks: Looks, camera: Camera) -> "Misses":
        """Those of one person."""
        seen = camera.project(looks.world)
        miss = torch.stack([_without_similarity(m, x) for m, x in zip(looks.pixels - seen, seen)])
        return Misses(miss, camera.jacobian(looks.world) @ so3_exp(looks.pose[:, :3])[:, None])

    def offsets(self) -> Tensor:
        """Where the detector puts the points beside the true ones (N, 3), canonical decimetres:
        the least squares over the pictures.
        """
        curvature = torch.einsum("fnpc,fnpd->ncd", self.jacobian, self.jacobian)
        careful = CAREFUL * len(self.jacobian) * self.jacobian.square().mean() * torch.eye(3)
        slope = torch.einsum("fnpc,fnp->nc", self.jacobian, self.pixels)
        return torch.linalg.solve(curvature + careful, slope)

    def without(self, moved: Tensor) -> "Misses":
        """What is left when the points move by (F, N, 3) on the head."""
        return Misses(
            self.pixels - torch.einsum("fnpc,fnc->fnp", self.jacobian, moved), self.jacobian
        )


def _without_similarity(miss: Tensor, at: Tensor) -> Tensor:
    """Misses (N, 2) without what a shift, a turn and a growth of the points `at` (N, 2) explain."""
    x, y = (at - at.mean(0)).unbind(1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    along_x = torch.stack([one, zero, x, -y], 1)
    along_y = torch.stack([zero, one, y, x], 1)
    moves = torch.stack([along_x, along_y], 1).flatten(0, 1)
    best = torch.linalg.lstsq(moves, miss.reshape(-1, 1)).solution
    return miss - (moves @ best).reshape(-1, 2)


def by_actions(misses: list[Misses], betas: list[Tensor], where: Tensor) -> Tensor:
    """What each action adds (A, N, 3), by ridge regression on how people differ from their own
    mean. betas: each person's (F, A); where (A, N): which points an action may move.
    """
    pixels = torch.cat([m.pixels - m.pixels.mean(0) for m in misses])
    jacobian = torch.cat([m.jacobian for m in misses])
    beta = torch.cat([b - b.mean(0) for b in betas])
    out = torch.zeros(*where.shape, 3)
    careful = STEADY * jacobian.square().mean() * torch.tensor([1.0, 1.0, DEPTH_STEADIER])
    for n in range(pixels.shape[1]):
        used = torch.nonzero(where[:, n] & (beta.std(0) > ASKED))[:, 0]
        rows = (jacobian[:, n, :, :, None] * beta[:, None, None, used]).flatten(2).flatten(0, 1)
        ridge = torch.diag(careful.repeat_interleave(len(used)))
        found = torch.linalg.solve(rows.T @ rows + ridge, rows.T @ pixels[:, n].flatten())
        out[used, n] = found.unflatten(0, (3, -1)).T
    return out


def reach(names: tuple[str, ...], points: Tensor, rims: Tensor) -> Tensor:
    """Which points (N, 3) an action may move (A, N): those of its own side, if it has one.

    A blink moves none beside the rims of the lids (R, 3): they pass each other in the model, where
    the detector stays at closed, and a fit would close eyes too far.
    """
    beside = torch.cdist(points, rims).amin(1) < BESIDE_RIM
    left = points[:, 0] > -MIDDLE
    sides = {"Left": left, "Right": points[:, 0] < MIDDLE}
    both = torch.ones_like(left)
    whole = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
    found = [
        both if name in whole else next((m for s, m in sides.items() if name.endswith(s)), both)
        for name in names
    ]
    blinks = torch.tensor([name.startswith("eyeBlink") for name in names])
    return torch.stack(found) & ~(blinks[:, None] & beside)


def principal(missed: Tensor, mean_face: Tensor, modes: int) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and modes (K, N, 3) of people's offsets (P, N, 3).

    A shift, a turn and a growth of the points of the mean face (N, 3) are left out.
    """
    basis = torch.linalg.qr(rigid_motions(mean_face).flatten(1).T).Q
    flat = missed.flatten(1)
    flat = flat - flat @ basis @ basis.T
    mean = flat.mean(0)
    _, size, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    standard = size[:modes, None] / len(flat) ** 0.5 * directions[:modes]
    return mean.unflatten(0, (-1, 3)), standard.unflatten(1, (-1, 3))


def main() -> None:
    """Look at people and write the error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--folder", type=Path, default=Path("runs/detector"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    seeds = range(arguments.first, arguments.first + arguments.people)
    people = [Looks.of(seed, arguments.folder) for seed in bar(seeds, desc="people")]
    head, camera = makehuman(), front_camera(SIZE)
    points = head.mean[torch.cat([head.landmarks, head.dense])]
    misses = [Misses.of(looks, camera) for looks in people]
    betas = [looks.beta[:, :ARKIT] for looks in people]
    rims = head.mean[head.landmarks[36:48]]
    actions = by_actions(misses, betas, reach(head.expression_names[:ARKIT], points, rims))
    moved = [torch.einsum("fa,anc->fnc", beta, actions) for beta in betas]
    missed = torch.stack([m.without(x).offsets() for m, x in zip(misses, moved)])
    mean, modes = principal(missed, points, MODES)
    error = DetectorError(mean, actions, modes)
    tensors = {name: x.half() for name, x in vars(error).items()}
    save_tensors(FOLDER / DETECTOR_FILE, tensors, {DETECTOR_KIND: {"people": len(people)}})
    (FOLDER / DETECTOR_FILE).chmod(0o644)


if __name__ == "__main__":
    main()
