"""How hair and clothes would move with a head that does something else than in its own clip.

In its own clip their motion was tracked. For another motion it is predicted: a ridge regression,
from where the head stands against the chest to the lattice of `heads.free_form`. It knows hair that
hangs when the head tilts, and nothing that swings on afterwards.
"""

import torch
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.geometry import so3_exp, so3_log

RIDGE = 10.0  # holds the coefficients of standardised inputs small, against squares summed
FURTHEST = 2.5  # standard deviations: beyond the clip's own poses, hair stays as at their edge


def against_chest(subject: Capture, pose: Tensor, torso: Tensor) -> Tensor:
    """Where heads with pose (F, 6) stand against chests with motion (F, 6): a rotation (F, 3), axis
    times radians, and a translation (F, 3), decimetres.
    """
    chest = so3_exp(torso[:, :3])
    turned = so3_log(chest.mT @ so3_exp(pose[:, :3]))
    moved = pose[:, 3:] - torso[:, 3:] - chest @ subject.rest[3:]
    return torch.cat([turned, moved], 1)


def follow_head(subject: Capture, pose: Tensor, torso: Tensor) -> Tensor | None:
    """Lattices (F, K, 3) for heads with pose (F, 6) and chests with motion (F, 6), as the subject's
    training frames have them; None where its hair was not tracked.
    """
    if subject.lattice is None:
        return None
    train, _ = subject.split()
    own = against_chest(subject, subject.pose, subject.torso)[train]
    middle, deviation = own.mean(0), own.std(0) + 1e-6

    def inputs(x: Tensor) -> Tensor:
        standard = ((x - middle) / deviation).clamp(-FURTHEST, FURTHEST)
        return torch.cat([standard, torch.ones(len(x), 1)], 1)

    X, Y = inputs(own), subject.lattice[train].flatten(1)
    weights = torch.linalg.solve(X.mT @ X + RIDGE * torch.eye(X.shape[1]), X.mT @ Y)
    predicted = inputs(against_chest(subject, pose, torso)) @ weights
    return predicted.view(len(pose), *subject.lattice.shape[1:])
