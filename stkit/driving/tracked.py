"""Tracked parameters in the formats others use: read them to drive a head, write ours.

Live Link Face .csv and Audio2Face .json (ARKit's 52 blendshapes), FLAME sequences (.npz), and folders of
Multiview-3DMM-Fitting (params/*/params.npz with lmk_3d.npy). ARKit's names map to the built-in head's named directions; what has
another basis is carried over by its 3D landmarks, which every face model shares.
"""

import csv
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import FOCAL, front_camera
from stkit.capture.capture import Capture
from stkit.capture.fitting import posed_points
from stkit.face_models.landmarks import KEPT_66
from stkit.face_models.transfer import beta_of, carry_expressions
from stkit.geometry import euler_yxz, so3_exp, so3_log, yaw_pitch_roll
from stkit.io.untrusted import guard
from stkit.space import canonical_points, to_world

# ARKit's name: the built-in directions it moves, with their value at 1.0
ARKIT = {
    "jawOpen": {"jaw_open": 3.0},
    "jawLeft": {"jaw_shift": 2.0},
    "jawRight": {"jaw_shift": -2.0},
    "jawForward": {"jaw_forward": 2.0},
    "mouthPucker": {"pucker": 2.0},
    "mouthFunnel": {"funnel": 2.0},
    "mouthLeft": {"mouth_shift": 2.0},
    "mouthRight": {"mouth_shift": -2.0},
    "mouthRollUpper": {"upper_lip_roll": 2.0},
    "mouthRollLower": {"lower_lip_roll": 2.0},
    "mouthShrugLower": {"chin_raise": 2.0},
    "browInnerUp": {"brow_inner_up_left": 2.0, "brow_inner_up_right": 2.0},
    "cheekPuff": {"cheek_puff_left": 2.0, "cheek_puff_right": 2.0},
}
SIDED = {
    "mouthSmile": ("smile", 2.0),
    "mouthFrown": ("frown", 2.0),
    "browDown": ("brow_down", 2.0),
    "browOuterUp": ("brow_outer_up", 2.0),
    "eyeBlink": ("blink", 2.9),
    "eyeWide": ("eye_wide", 2.0),
    "eyeSquint": ("squint", 2.0),
    "cheekSquint": ("cheek_raise", 2.0),
    "noseSneer": ("nose_wrinkle", 2.0),
}
SHARED = {
    "mouthStretch": ("mouth_wide", 1.0),
    "mouthPress": ("lip_press", 1.0),
    "mouthUpperUp": ("upper_lip_up", 1.0),
    "mouthLowerDown": ("lower_lip_down", 1.0),
}
for _side in ("Left", "Right"):
    ARKIT |= {
        name + _side: {f"{ours}_{_side.lower()}": gain} for name, (ours, gain) in SIDED.items()
    }
    ARKIT |= {name + _side: {ours: gain} for name, (ours, gain) in SHARED.items()}
IGNORED = (
    "eyeLook",
    "mouthClose",
    "mouthDimple",
    "mouthShrugUpper",
    "tongueOut",
)  # the built-in head has no such direction


@dataclass(frozen=True)
class Tracked:
    """beta (F, 64) of the built-in head, head rotation (F, 3) axis-angle, times (F,) seconds, and where it came from."""

    beta: Tensor
    rotation: Tensor
    times: Tensor
    source: str


def is_tracked(source: str | Path) -> bool:
    """Whether `source` is a file or folder of tracked parameters rather than a video."""
    path = Path(source)
    return path.suffix.lower() in (".csv", ".json", ".npz") or (
        path.is_dir() and (path / "params").is_dir()
    )


def read_tracked(path: str | Path) -> Tracked:
    """Read any of the formats, told apart by name. Raises ValueError naming the file and what is wrong."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir():
        return read_3dmm(path)
    return {".csv": read_live_link, ".json": read_audio2face, ".npz": read_flame}[
        path.suffix.lower()
    ](path)


def read_live_link(path: Path) -> Tracked:
    """Live Link Face's CSV: one row a frame, ARKit names with a capital, HeadYaw, HeadPitch and HeadRoll in radians.

    Positive yaw turns the nose to the subject's left, positive pitch lowers it. Frames are 1/60 s apart.
    """

    def read():
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
        if not rows:
            raise ValueError("has a header and no rows, or nothing at all")
        names = [n for n in rows[0] if n]
        column = lambda name: np.array([float(r[name] or 0) for r in rows])
        values = {n[0].lower() + n[1:]: column(n) for n in names if n[0].lower() + n[1:] in ARKIT}
        turn = [
            column(n) if n in names else np.zeros(len(rows))
            for n in ("HeadYaw", "HeadPitch", "HeadRoll")
        ]
        return values, turn

    values, turn = guard(path, read)
    yaw, pitch, roll = (_finite(path, t) for t in turn)
    return Tracked(
        _from_arkit(path, values),
        euler_yxz(yaw, pitch, roll),
        torch.arange(len(yaw)) / 60,
        str(path),
    )


def read_audio2face(path: Path) -> Tracked:
    """Audio2Face's JSON: facsNames, weightMat (frames x names) and exportFps; the head does not turn."""

    def read():
        data = json.loads(path.read_text())
        names, matrix, rate = (
            data["facsNames"],
            np.asarray(data["weightMat"], float),
            float(data.get("exportFps", 30)),
        )
        if matrix.ndim != 2 or matrix.shape[1] != len(names) or not len(matrix) or not rate > 0:
            raise ValueError(f"weightMat is {matrix.shape} for {len(names)} names")
        return (
            {
                n[0].lower() + n[1:]: matrix[:, k]
                for k, n in enumerate(names)
                if n[0].lower() + n[1:] in ARKIT
            },
            len(matrix),
            rate,
        )

    values, frames, rate = guard(path, read)
    return Tracked(
        _from_arkit(path, values), torch.zeros(frames, 3), torch.arange(frames) / rate, str(path)
    )


def read_flame(path: Path, model=None) -> Tracked:
    """A FLAME sequence: expr or expression (F, up to 100), jaw_pose (F, 3), optional eyes_pose (F, 6) and rotation (F, 3).

    FLAME itself must be at hand (`stkit assets where flame`): its landmarks carry the expression over. Rotations count from
    the first frame, 25 frames a second.
    """

    def read():
        with np.load(path, allow_pickle=False) as data:
            find = lambda *names: next(
                (np.asarray(data[n], np.float32) for n in names if n in data), None
            )
            found = (
                find("expr", "expression", "exp"),
                find("jaw_pose", "jaw"),
                find("eyes_pose", "eyes"),
                find("rotation", "global_orient"),
            )
        if found[0] is None or found[1] is None:
            raise ValueError("has no 'expr' and 'jaw_pose'")
        return found

    expression, jaw, eyes, rotation = guard(path, read)
    frames = len(expression)
    for name, a, width in (
        ("expr", expression, None),
        ("jaw_pose", jaw, 3),
        ("eyes_pose", eyes, 6),
        ("rotation", rotation, 3),
    ):
        if a is not None and (
            a.ndim != 2
            or len(a) != frames
            or not frames
            or (width and a.shape[1] != width)
            or not np.isfinite(a).all()
        ):
            raise ValueError(
                f"{path}: {name} is {a.shape} or not finite, expected ({frames}, {width or 'coefficients'})"
            )
    model = model or face_models.get("flame")
    beta = torch.zeros(frames, 59)
    count = min(50, expression.shape[1])
    beta[:, :count] = torch.from_numpy(expression[:, :count])
    beta[:, 50:53] = torch.from_numpy(jaw)
    if eyes is not None:
        beta[:, 53:] = torch.from_numpy(eyes)
    zero = torch.zeros(len(model.identity))
    points = model.points(model.landmarks[KEPT_66], zero, beta)
    neutral = model.points(model.landmarks[KEPT_66], zero, torch.zeros(1, 59))[0]
    turn = torch.zeros(frames, 3)
    if rotation is not None:
        R = so3_exp(torch.from_numpy(rotation))
        turn = so3_log(R @ R[0].T)
    return Tracked(
        beta_of(points, neutral, face_models.get("builtin")),
        turn,
        torch.arange(frames) / 25,
        str(path),
    )


def read_3dmm(folder: Path) -> Tracked:
    """A folder of Multiview-3DMM-Fitting: params/FRAME/params.npz with pose and scale, and lmk_3d.npy (66, 3) in the world.

    Folders that stkit wrote of the built-in head (stkit.json beside params/ says so) are read exactly.
    """
    frames = sorted(p for p in (folder / "params").iterdir() if p.is_dir())
    if not frames:
        raise ValueError(f"{folder}/params: is empty; expected one folder for each frame")
    ours = (folder / "stkit.json").exists() and json.loads((folder / "stkit.json").read_text()).get(
        "face_model"
    ) == "builtin"
    poses, points, coefficients = [], [], []
    for frame in frames:
        file = frame / "params.npz"

        def read(file=file):
            with np.load(file, allow_pickle=False) as data:
                return [
                    np.asarray(data[k], np.float32).reshape(-1)
                    for k in ("pose", "scale", "exp_coeff")
                ]

        pose, scale, coefficient = guard(file, read)
        if (
            pose.shape != (6,)
            or scale.shape != (1,)
            or not np.isfinite(np.concatenate([pose, scale, coefficient])).all()
            or scale[0] == 0
        ):
            raise ValueError(
                f"{file}: pose {pose.shape} and scale {scale.shape} must be 6 and 1 finite numbers"
            )
        poses.append(torch.from_numpy(pose))
        coefficients.append(torch.from_numpy(coefficient))
        if not ours:
            marks = guard(
                frame / "lmk_3d.npy", lambda f=frame: np.load(f / "lmk_3d.npy", allow_pickle=False)
            )
            if marks.shape != (66, 3) or not np.isfinite(marks).all():
                raise ValueError(
                    f"{frame / 'lmk_3d.npy'}: is {marks.shape}, expected (66, 3) finite numbers"
                )
            points.append(
                canonical_points(
                    torch.from_numpy(marks).float(), poses[-1], torch.from_numpy(scale)
                )
            )
    pose = torch.stack(poses)
    if ours:
        beta = torch.stack(coefficients)
        if beta.shape[1] != 64:
            raise ValueError(
                f"{folder}: exp_coeff has {beta.shape[1]} numbers, the built-in head has 64"
            )
    else:
        still = int(torch.stack([c.norm() for c in coefficients]).argmin())
        beta = beta_of(torch.stack(points), points[still], face_models.get("builtin"))
    return Tracked(beta, pose[:, :3], torch.arange(len(pose)) / 25, str(folder))


def tracked_capture(path: str | Path, size: int, max_frames: int) -> Capture:
    """Tracked parameters as a driving `Capture`: its pictures show the built-in head doing what the file says."""
    from stkit.synthetic.subject import Performance, Subject, random_style, rest_pose

    told = read_tracked(path)
    if len(told.beta) < 3:
        raise ValueError(f"{path}: holds {len(told.beta)} frames, at least 3 are needed")
    pick = np.unique(
        np.linspace(0, len(told.beta) - 1, min(max_frames, len(told.beta))).round().astype(int)
    ).tolist()
    beta, rotation = told.beta[pick], told.rotation[pick]
    pose = torch.cat([rotation, rest_pose()[3:].expand(len(pick), -1)], 1)
    still = Performance(beta, pose, torch.zeros(len(pick), 6), told.times[pick])
    subject, camera = Subject(0, torch.zeros(80), random_style(0), still), front_camera(size)
    head = face_models.get("builtin")
    shots = [subject.render(t, camera) for t in range(len(pick))]
    u8 = lambda k: np.stack([(s[k] * 255).round().byte().numpy() for s in shots])
    world = posed_points(head, head.landmarks, subject.identity, torch.tensor(1.0), beta, pose)
    dense = camera.project(
        posed_points(head, head.dense, subject.identity, torch.tensor(1.0), beta, pose)
    )
    marks = torch.cat([camera.project(world), torch.ones(len(pick), 68, 1)], -1)
    return Capture(
        frames=u8(0),
        mattes=u8(1)[..., 0],
        landmarks=marks,
        dense=dense,
        identity=subject.identity,
        scale=torch.tensor(1.0),
        beta=beta,
        pose=pose,
        torso=still.torso,
        rest=rest_pose(),
        landmarks3d=world[:, KEPT_66],
        times=still.times,
        neutral=int(beta.norm(dim=1).argmin()),
        focal=FOCAL,
        source=str(path),
    )


def write_live_link(capture: Capture, path: Path) -> None:
    """A capture's expressions and head turns as a Live Link Face CSV; directions without an ARKit name are left out."""
    head = face_models.get("builtin")
    names, betas = head.expression_names, carry_expressions(capture.beta, capture.face(), head)
    angles = torch.stack(yaw_pitch_roll(so3_exp(capture.pose[:, :3])), 1)
    rows = []
    for t, beta in enumerate(betas):
        told = {
            n: float(
                np.mean(
                    [np.clip(float(beta[names.index(k)]) / g, 0, 1) for k, g in ARKIT[n].items()]
                )
            )
            for n in ARKIT
        }
        for n, (
            ours,
            gain,
        ) in SHARED.items():  # both sides move one direction of ours: half of it each
            half = float(np.clip(float(beta[names.index(ours)]) / (2 * gain), 0, 1))
            told |= {n + side: half for side in ("Left", "Right")}
        rows.append(
            {n[0].upper() + n[1:]: v for n, v in told.items()}
            | dict(zip(("HeadYaw", "HeadPitch", "HeadRoll"), angles[t].tolist()))
        )
    _write(path, _csv_lines(rows))


def write_3dmm(capture: Capture, folder: Path) -> None:
    """A capture as Multiview-3DMM-Fitting leaves it: params.npz, lmk_3d.npy and vertices.npy for each frame, of its face model.

    vertices and landmarks are in stkit's world; `stkit.json` names the model and, unless built in, its seat (see `Seated`).
    """
    head = capture.face()
    folder = Path(folder)
    for t in range(len(capture)):
        frame = folder / "params" / f"{t:04d}"
        frame.mkdir(parents=True, exist_ok=True)
        one = lambda x: x.reshape(1, -1).numpy()
        np.savez(
            frame / "params.npz",
            id_coeff=one(capture.identity),
            exp_coeff=one(capture.beta[t]),
            scale=capture.scale.reshape(1).numpy(),
            pose=one(capture.pose[t]),
        )
        np.save(frame / "lmk_3d.npy", capture.landmarks3d[t].numpy())
        world = to_world(
            head.verts(capture.identity, capture.beta[t]),
            replace(capture.frame_pose(t), torso=torch.zeros(6)),
            follow=torch.ones(1),
        )
        np.save(frame / "vertices.npy", world.numpy())
    about = {
        "face_model": capture.face().name,
        "source": Path(capture.source).name,
        "frames": len(capture),
    }
    if capture.seat is not None:
        about["seat"] = capture.seat.tolist()
    (folder / "stkit.json").write_text(json.dumps(about))


def _from_arkit(path: Path, values: dict[str, np.ndarray]) -> Tensor:
    names = face_models.get("builtin").expression_names
    if not values:
        raise ValueError(
            f"{path}: none of ARKit's blendshape names (jawOpen, mouthSmileLeft, ...) is in it"
        )
    beta = torch.zeros(len(next(iter(values.values()))), 64)
    for name, series in values.items():
        for ours, gain in ARKIT[name].items():
            beta[:, names.index(ours)] += gain * _finite(path, series)
    return beta


def _finite(path: Path, series: np.ndarray) -> Tensor:
    if not np.isfinite(series).all() or np.abs(series).max(initial=0) > 100:
        raise ValueError(f"{path}: a value is not finite or beyond all bounds")
    return torch.from_numpy(series).float()


def _csv_lines(rows: list[dict]) -> Iterable[str]:
    yield ",".join(["Timecode", "BlendshapeCount", *rows[0]])
    for t, row in enumerate(rows):
        seconds = t // 60
        stamp = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{math.floor(t % 60):02d}.000"
        yield ",".join([stamp, "61", *(f"{v:.6f}" for v in row.values())])


def _write(path: Path, lines: Iterable[str]) -> None:
    temporary = Path(path).with_suffix(".tmp")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.replace(path)
