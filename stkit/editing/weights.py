"""The weight map of Eq. 8: w = 2 sigmoid(-alpha d), d the distance to the nearest facial landmark.

d is Euclidean, in canonical decimetres, on the undeformed head (lineage.md 7, reading 4): with
alpha = 5, w is 1 at a landmark, 0.5 at 2.2 cm, 0.15 at 5 cm and 0.013 at 10 cm.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.errors import RequestError
from stkit.geometry import nearest
from stkit.heads.gaussian import GaussianHead
from stkit.space import FramePose

ALPHA = 5.0
LANDMARK_SETS = ("66", "dense")


def weight(d: Float[Tensor, "*n"], alpha: float = ALPHA) -> Float[Tensor, "*n"]:
    """w = 2 sigmoid(-alpha d) of distances d >= 0 (any shape), decimetres; paper Eq. 8. Raises
    RequestError for an alpha below 0, or one that is not finite.
    """
    if not 0 <= alpha < float("inf"):
        raise RequestError(f"alpha {alpha!r}: a finite number of 0 or more, in 1/dm")
    return 2 * torch.sigmoid(-alpha * d)


def landmark_set(capture: Capture, name: str = "66") -> Float[Tensor, "landmarks 3"]:
    """Canonical landmarks (K, 3) of the neutral frame: '66', or 'dense', which adds the face
    model's denser points.
    """
    if name not in LANDMARK_SETS:
        raise RequestError(f"landmark set {name!r} is not one of {', '.join(LANDMARK_SETS)}")
    sparse = capture.neutral_landmarks()
    return sparse if name == "66" else torch.cat([sparse, capture.dense_landmarks(capture.neutral)])


def point_weights(
    head: GaussianHead, landmarks: Float[Tensor, "landmarks 3"], alpha: float = ALPHA
) -> Float[Tensor, " n"]:
    """w (N,) of every Gaussian, detached: otherwise moving points away from landmarks would lower
    the loss.
    """
    return weight(nearest(head.places, landmarks)[0][:, 0], alpha)


@torch.no_grad()
def weight_image(
    head: GaussianHead, w: Float[Tensor, " n"], camera: Camera, frame: FramePose
) -> Float[Tensor, "h w 1"]:
    """w (N,) splatted with the colours' own blending weights: (H, W, 1), 0 where no Gaussian is
    (reading 3).
    """
    return head.gaussians(frame).splat(w[:, None], camera)


def share(w: Float[Tensor, "*n"], b: float, b_boundary: float = 0.5) -> Float[Tensor, "*n"]:
    """What Eq. 8 leaves of an edit of strength b where the weight is w (any shape): w of a strong
    edit (b >= boundary), 1 - w of a weak one. Raises RequestError for a boundary outside [0, 1].
    """
    if not 0 <= b_boundary <= 1:
        raise RequestError(f"b_boundary {b_boundary!r}: from 0 to 1")
    return w if b >= b_boundary else 1 - w


def eq8(
    difference: Float[Tensor, "h w c"],
    w: Float[Tensor, "h w 1"],
    b: float,
    b_boundary: float = 0.5,
) -> Float[Tensor, "h w c"]:
    """Eq. 8 per pixel: the difference times `share`. No normalisation (reading 22)."""
    return difference * share(w, b, b_boundary)
