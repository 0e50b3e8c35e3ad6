"""How well lips follow speech, against the teacher's truth. All of it runs offline.

None of these is LSE-C or LSE-D of SyncNet, whose weights the kit does not have.
"""

import torch
from torch import Tensor

from stkit.voice.acting import SHUT
from stkit.voice.emotions import columns, upper_face_columns
from stkit.voice.lips import lip_gaps, lip_points
from stkit.voice.states import BETAS

CLOSED, OPEN = 0.010, 0.030  # decimetres: lips this near count as closed, this far as open
NEAR = 1  # frames that a closure may be early or late
LAGS = 6  # frames


def correlation(found: Tensor, truth: Tensor) -> Tensor:
    """Pearson's correlation (C,) of series (F, C); 0 where one does not move."""
    x, y = found - found.mean(0), truth - truth.mean(0)
    product = (x * y).sum(0)
    sizes = x.norm(dim=0) * y.norm(dim=0)
    return torch.where(sizes > 1e-8, product / sizes.clamp_min(1e-8), 0.0)


def opening(beta: Tensor) -> Tensor:
    """The widest gap between the lips (F,), decimetres; 0 where they touch."""
    return lip_gaps(beta[:, :BETAS]).max(1).values.clamp_min(0)


def lip_vertex_error(found: Tensor, truth: Tensor) -> float:
    """Mean over frames of the largest squared distance of a lip's point, square millimetres, of
    beta (F, 64): LVE as CodeTalker has it, on the fourteen points of the inner lips.
    """
    apart = lip_points(found) - lip_points(truth)
    return float(100**2 * apart.square().sum(-1).amax(1).mean())


def upper_face_deviation(found: Tensor, truth: Tensor) -> float:
    """How much more the upper face moves in `truth` than in `found`, beta (F, 64): the difference
    of the actions' standard deviations over time, mean over brows and eyes (after FDD of
    CodeTalker, on actions in place of vertices). 0 is best; a face that is still is positive.
    """
    upper = upper_face_columns()
    return float((truth[:, upper].std(0) - found[:, upper].std(0)).mean())


def blinks(beta: Tensor) -> int:
    """How many times the lids close in beta (F, 64)."""
    lids = beta[:, columns("eyeBlink")].mean(1)
    shut = lids > SHUT / 2
    return int((shut[1:] & ~shut[:-1]).sum())


def sync_margin(seen: Tensor, own: Tensor, others: list[Tensor]) -> float:
    """How much better a mouth fits its own sound than other sounds. seen (F,): the opening in a
    film; own (F,) and others: openings that a model makes of its own and of other sounds.
    """

    def fit(made: Tensor) -> float:
        count = min(len(seen), len(made))
        return float(correlation(made[:count, None], seen[:count, None]))

    return fit(own) - sum(map(fit, others)) / len(others)


def closures_found(gap: Tensor, closures: Tensor) -> tuple[int, int]:
    """How many of the p, b and m at frames `closures` (F,) are closed in `gap` (F,), within a
    frame; and how many there are.
    """
    nearest = -torch.nn.functional.max_pool1d(-gap[None], 2 * NEAR + 1, 1, NEAR)[0]
    wanted = closures > 0.5
    return int((nearest[wanted] <= CLOSED).sum()), int(wanted.sum())


def closures_false(gap: Tensor, truth: Tensor) -> tuple[int, int]:
    """How many times the lips close while the teacher's (F,) are open, within a frame; and how many
    times they close at all.
    """
    closed = gap <= CLOSED
    starts = closed & ~torch.cat([torch.zeros(1, dtype=torch.bool), closed[:-1]])
    nearest = -torch.nn.functional.max_pool1d(-truth[None], 2 * NEAR + 1, 1, NEAR)[0]
    false, run = 0, 0
    for k in torch.nonzero(starts)[:, 0].tolist():
        end = k
        while end + 1 < len(gap) and closed[end + 1]:
            end += 1
        false += int((nearest[k : end + 1] > OPEN).all())
        run += 1
    return false, run


def lag(found: Tensor, truth: Tensor) -> int:
    """Frames by which `found` (F,) follows `truth` (F,): where they correlate most, within 6."""
    count = len(found)

    def at(shift: int) -> float:
        a = found[max(shift, 0) : count + min(shift, 0)]
        b = truth[max(-shift, 0) : count - max(shift, 0)]
        return float(correlation(a[:, None], b[:, None]))

    return max(range(-LAGS, LAGS + 1), key=at)
