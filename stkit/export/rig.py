"""A head as a rig: what each of ARKit's 52 actions changes in every Gaussian, so that other
programs can move it without our networks.

The rig is linear. At rest it is the head in its neutral frame. An action of strength w in [0, 1]
adds w times a change, which was measured with that action alone in full. The head turns by one
rotation, the chest stays, and each Gaussian follows the head by its own share, as
`GaussianHead.place` has it. What this misses of the head itself is measured by `rig_error`.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stkit.capture import Capture
from stkit.driving.arkit import arkit_names
from stkit.errors import RequestError
from stkit.heads.gaussian import GaussianHead
from stkit.heads.placing import carried
from stkit.render.gaussians import Gaussians
from stkit.space import FramePose

# what each attribute of a Gaussian is rounded to: changes below half of it are left out
STEPS = {"means": 5e-4, "log_scales": 0.01, "quats": 0.004, "colors": 0.002, "opacities": 0.004}
LARGEST_CODE = 32767  # int16


@dataclass(frozen=True)
class FaceRig:
    """A rig: Gaussians at rest in canonical space, and per action the change of each attribute.

    changes[name] (K, N, C) for the attributes of `STEPS`; follow (N,): how much each Gaussian goes
    with the head rather than with the chest; frame: where head and chest are at rest.
    """

    names: tuple[str, ...]
    rest: Gaussians
    changes: dict[str, Tensor]
    follow: Tensor
    frame: FramePose

    def canonical(self, weights: Tensor) -> Gaussians:
        """The Gaussians under the actions' strengths (K,), in canonical space."""
        values = _values(self.rest)
        for name, change in self.changes.items():
            moved = torch.einsum("k,knc->nc", weights, change)
            values[name] = values[name] + moved
        quats = torch.nn.functional.normalize(values["quats"], dim=-1)
        return Gaussians(
            values["means"],
            quats,
            values["log_scales"].exp(),
            values["opacities"][:, 0].clamp(0, 1),
            values["colors"].clamp(0, 1),
        )

    def gaussians(self, weights: Tensor, pose: Tensor | None = None) -> Gaussians:
        """The Gaussians in the world under strengths (K,) and a pose (6,) of the head (default:
        at rest), decimetres.
        """
        frame = self.frame if pose is None else replace(self.frame, pose=pose)
        return carried(self.canonical(weights), frame, self.follow[:, None])


def _values(g: Gaussians) -> dict[str, Tensor]:
    """A Gaussian's attributes (N, C), as a rig adds them up."""
    return {
        "means": g.means,
        "log_scales": g.scales.log(),
        "quats": g.quats,
        "colors": g.colors,
        "opacities": g.opacities[:, None],
    }


def with_actions(neutral: Tensor, weights: Tensor) -> Tensor:
    """The expression (64,) for strengths (K,): 0 is the neutral face's own, 1 the action in
    full.
    """
    beta = neutral.clone()
    own = neutral[: len(weights)]
    beta[: len(weights)] = own + weights * (1 - own)
    return beta


@torch.no_grad()
def make_rig(head: GaussianHead, capture: Capture) -> FaceRig:
    """The rig of a head. Raises RequestError where its expressions are not ARKit's."""
    if capture.seat is not None:
        raise RequestError(
            "a rig of ARKit's actions needs a head tracked with the built-in face model; run "
            "again without --face-model"
        )
    names = arkit_names()
    frame = replace(capture.frame_pose(capture.neutral), lattice=None)
    rest = head.canonical(frame.beta, frame.pose)
    at_rest = _values(rest)
    changes: dict[str, list[Tensor]] = {name: [] for name in STEPS}
    for one in torch.eye(len(names)):
        moved = _values(head.canonical(with_actions(frame.beta, one), frame.pose))
        for name in STEPS:
            changes[name].append(_rounded(moved[name] - at_rest[name], STEPS[name]))
    stacked = {name: torch.stack(x) for name, x in changes.items()}
    return FaceRig(names, rest, stacked, head.follow_logits.sigmoid(), frame)


def _rounded(change: Tensor, step: float) -> Tensor:
    return step * (change / step).round().clamp(-LARGEST_CODE, LARGEST_CODE)
