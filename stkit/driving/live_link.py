"""Live Link Face's CSV: one row a frame, with ARKit's actions, the head's turn and a timecode.

A timecode is HH:MM:SS:FF.mmm, where FF.mmm counts the frames since the second began. The file does
not say how many frames a second has. The app's default is 60, so that is what is written here; a
reader tries the usual rates and takes the one that spaces the frames most evenly.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.driving.arkit import arkit_name, arkit_names, arkit_of_beta, beta_of_arkit
from stkit.driving.parameters import Tracked, checked, even_times
from stkit.errors import RequestError
from stkit.face_models.transfer import carry_expressions
from stkit.geometry import euler_yxz, so3_exp, yaw_pitch_roll
from stkit.io.limits import read_text
from stkit.io.tensors import write_text
from stkit.io.untrusted import guard

RATE = 60  # frames a second in the timecodes of a file, unless another spaces them more evenly
OTHER_RATES = (30, 25, 24, 50, 48)
TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;](\d+(?:\.\d+)?)")
DAY = 24 * 3600  # seconds, after which timecodes begin again
TURN = ("HeadYaw", "HeadPitch", "HeadRoll")  # radians
COUNT = 61  # of ARKit's actions and the turns of head and eyes: what the app writes


def read_live_link(path: Path) -> Tracked:
    """Read a CSV of Live Link Face; turns that are missing count as zero.

    Positive yaw turns the nose to the subject's left, positive pitch lowers it. Frames are 1/60 s
    apart where there are no timecodes that can be read. Raises ValueError naming the file.
    """
    sheet = guard(path, lambda: _read(path))
    yaw, pitch, roll = (checked(path, angles) for angles in sheet.turn)
    return Tracked(
        beta_of_arkit(path, sheet.actions),
        rotation=euler_yxz(yaw, pitch, roll),
        times=_times(sheet.timecodes),
        source=str(path),
    )


@dataclass(frozen=True)
class _Sheet:
    """The columns (F,) of a file: actions by ARKit's names, the three turns, the timecodes."""

    actions: dict[str, np.ndarray]
    turn: list[np.ndarray]
    timecodes: list[str]


def _read(path: Path) -> _Sheet:
    rows = list(csv.DictReader(read_text(path).splitlines()))
    if not rows:
        raise RequestError("has a header and no rows, or nothing at all")
    labels = [label for label in rows[0] if label and arkit_name(label) in arkit_names()]
    return _Sheet(
        actions={arkit_name(label): _column(rows, label) for label in labels},
        turn=[_column(rows, label) for label in TURN],
        timecodes=[row.get("Timecode") or "" for row in rows],
    )


def _column(rows: list[dict[str, str]], label: str) -> np.ndarray:
    return np.array([float(row.get(label) or 0) for row in rows])


def _times(timecodes: list[str]) -> Tensor:
    """Seconds (F,) since the first frame, at the rate that spaces the frames most evenly."""
    found = [TIMECODE.fullmatch(code.strip()) for code in timecodes]
    parts = np.array([[float(x) for x in match.groups()] for match in found if match])
    if len(parts) < len(timecodes):
        return even_times(len(timecodes), RATE)
    whole = parts[:, :3] @ [3600.0, 60.0, 1.0]
    best = None
    for rate in (RATE, *OTHER_RATES):
        steps = np.diff(whole + parts[:, 3] / rate) % DAY
        if not len(steps) or parts[:, 3].max() >= rate or steps.max() > DAY / 2:
            continue  # one frame; more frames in a second than this rate has; or time runs back
        unevenness = steps.std() / max(steps.mean(), 1e-9)
        if best is None or unevenness < best[0] - 1e-6:
            best = unevenness, steps
    if best is None:
        return even_times(len(timecodes), RATE)
    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(best[1])])).float()


def write_live_link(capture: Capture, path: Path) -> None:
    """A capture's expressions, head turns and times as a CSV of Live Link Face.

    Directions without a name in ARKit are left out.
    """
    betas = carry_expressions(capture.beta, capture.face(), face_models.builtin())
    write_live_link_motion(betas, capture.pose[:, :3], capture.times, path)


def write_live_link_motion(betas: Tensor, rotations: Tensor, times: Tensor, path: Path) -> None:
    """Expressions (F, 64) of the built-in head, head rotations (F, 3) as axis-angle and times (F,)
    in seconds as a CSV of Live Link Face.
    """
    turns = torch.stack(yaw_pitch_roll(so3_exp(rotations)), 1)
    actions = [arkit_of_beta(beta) for beta in betas]
    labels = [name[0].upper() + name[1:] for name in actions[0]]
    lines = [",".join(["Timecode", "BlendshapeCount", *labels, *TURN])]
    for seconds, values, angles in zip(times.tolist(), actions, turns.tolist()):
        cells = [f"{value:.6f}" for value in (*values.values(), *angles)]
        lines.append(",".join([timecode(seconds), str(COUNT), *cells]))
    write_text(Path(path), "\n".join(lines) + "\n")


def timecode(seconds: float) -> str:
    """HH:MM:SS:FF.mmm at `RATE` frames a second, for example 00:00:01:30.000 of 1.5 seconds."""
    thousandths = round(seconds * RATE * 1000)
    frames, thousandths = divmod(thousandths, 1000)
    whole, frames = divmod(frames, RATE)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours % 24:02d}:{minutes:02d}:{whole:02d}:{frames:02d}.{thousandths:03d}"
