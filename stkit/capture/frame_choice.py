"""Which frames matter: those held out, the neutral one, and how often training looks at each."""

import torch
from torch import Tensor

from stkit.capture.capture import Capture, split_frames
from stkit.errors import RequestError
from stkit.face_models.landmarks import openings
from stkit.geometry import so3_exp, yaw_pitch_roll

EXPRESSION = 2.0  # how much a typical expression weighs
TURN = 0.1  # radians of turn that weigh 1
GAP = 0.08  # gap of the lips, in eye distances, that weighs 1
HELD_OUT_KINDS = ("end", "turn", "expression")
FROM = "from:"  # and a second: all frames from then on are held out
OPEN_EYES = 0.6  # quantile of the gap between the lids, from which on eyes count as open
SHUT = 0.05  # by how many eye widths less weighs 1
ALIKE = 0.15  # how near two openings must be to count as the same, as a share of their range


def check_held_out(kind: str) -> None:
    """Raise RequestError for a kind that `choose_held_out` does not know."""
    if kind in HELD_OUT_KINDS:
        return
    try:
        start = float(kind.removeprefix(FROM) if kind.startswith(FROM) else "no number")
        if not 0 <= start < float("inf"):
            raise ValueError("not a time")
    except ValueError:
        known = ", ".join(HELD_OUT_KINDS)
        raise RequestError(
            f"held-out frames {kind!r}: one of {known}, or '{FROM}SECONDS'"
        ) from None


def choose_held_out(kind: str, beta: Tensor, pose: Tensor, times: Tensor) -> list[int]:
    """The frames that no training sees, in order: a fifth of the clip, or those of a data set's own
    split.

    kind: one of `HELD_OUT_KINDS`, or 'from:SECONDS' for all frames from a time on. 'end': the last
    ones; 'turn': those that are turned furthest from
    the clip's mean pose; 'expression': those whose expression is furthest from the clip's mean.
    The two latter ask a head for what it never did. beta (F, E) in the face model's units, pose
    (F, 6), times (F,) seconds. Raises RequestError where less than a frame is left on either side.
    """
    check_held_out(kind)
    if kind.startswith(FROM):
        late = times >= float(kind.removeprefix(FROM)) - 1e-4
        if late.all() or not late.any():
            raise RequestError(f"held-out frames {kind!r}: the clip lasts {float(times[-1]):.2f} s")
        return torch.nonzero(late)[:, 0].tolist()
    _, last = split_frames(len(beta))
    if kind == "end":
        return last
    values = so3_exp(pose[:, :3]).flatten(1) if kind == "turn" else beta
    away = (values - values.mean(0)).norm(dim=1)
    return sorted(away.topk(len(last)).indices.tolist())


def choose_neutral(
    beta: Tensor, pose: Tensor, mouth: Tensor, lids: Tensor, frames: list[int] | None = None
) -> int:
    """The frame with the smallest |beta| among near-frontal ones with a closed mouth and open eyes
    (lineage.md 7, reading 19).

    beta (F, 64) in the face model's units, pose (F, 6), mouth (F,): gap between the lips in eye
    distances, lids (F,): gap between the lids in eye widths; a small |beta| alone may still be an
    open mouth or a shut eye. `frames`: which may be chosen (default: all).
    """
    yaw, pitch, roll = yaw_pitch_roll(so3_exp(pose[:, :3]))
    turned = yaw.abs() + roll.abs() + (pitch - pitch.median()).abs()
    size = beta.norm(dim=1)
    shut = (lids.quantile(OPEN_EYES) - lids).clamp_min(0)
    expression = EXPRESSION * size / size.quantile(0.5).clamp_min(1e-6)
    cost = expression + turned / TURN + mouth / GAP + shut / SHUT
    if frames is not None:
        allowed = torch.full_like(cost, torch.inf)
        allowed[frames] = 0
        cost = cost + allowed
    return int(cost.argmin())


def sampling_probabilities(capture: Capture, frames: list[int], rare: float = 0.5) -> Tensor:
    """How often to draw each of the frames (N,), on the CPU, summing to 1.

    In `rare` of the draws a frame is the likelier, the fewer frames hold lids and lips like it;
    otherwise all are alike. A blink fills a twentieth of a clip and a hundredth of a picture: drawn
    evenly, a head never learns to close its eyes.
    """
    state = openings(capture.landmarks[frames][..., :2].cpu())
    extent = (state.quantile(0.95, 0) - state.quantile(0.05, 0)).clamp_min(1e-6)
    state = (state - state.median(0).values) / extent
    density = torch.exp(-0.5 * (torch.cdist(state, state) / ALIKE).square()).mean(1)
    rarity = 1 / density
    return (1 - rare) / len(frames) + rare * rarity / rarity.sum()
