"""The small MLPs of the method and the positional encoding gamma (lineage.md 1.3)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stkit.heads.fused_mlp import chain
from stkit.heads.model_motion import ModelMotion

OCTAVES = 4  # of the positional encoding (Gaussian-Head-Avatar's)
GAMMA_POINT = 3 * (1 + 2 * OCTAVES)  # values of gamma(x) for a point
GAMMA_POSE = 6 * (1 + 2 * OCTAVES)  # and for a pose
EXPRESSIONS = 64  # length of beta
LAST_LAYER_STD = 1e-3  # a small first output: training starts from the unchanged head
# dm^2: squared distances from a landmark, within which expression rules, beyond which pose does
EXPRESSION_WITHIN, POSE_BEYOND = 0.1, 0.25


def gamma(x: Tensor) -> Tensor:
    """Positional encoding: x with sin and cos at 1, 2, 4, 8 times x; (..., d) -> (..., 9 d)."""
    scaled = torch.cat([x * 2.0**k for k in range(OCTAVES)], -1)
    return torch.cat([x, scaled.sin(), scaled.cos()], -1)


class MLP(nn.Module):
    """Fully connected layers with LeakyReLU; the raw input joins again at layer len(dims) // 2.

    dims lists the layer widths, input first: (27, 256, 256, 256, 256, 256, 132) is
    Gaussian-Head-Avatar's geometry net.
    """

    def __init__(self, dims: tuple[int, ...], zero_last: bool = False):
        super().__init__()
        self.skip = len(dims) // 2
        layers = [
            nn.Linear(a + (dims[0] if k == self.skip else 0), b)
            for k, (a, b) in enumerate(zip(dims, dims[1:]))
        ]
        self.layers = nn.ModuleList(layers)
        if zero_last:
            nn.init.normal_(layers[-1].weight, std=LAST_LAYER_STD)
            nn.init.zeros_(layers[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        """The output (N, dims[-1]) for x (N, dims[0])."""
        return self.shared(x, x.new_zeros(0))

    def shared(self, per_point: Tensor, per_frame: Tensor) -> Tensor:
        """`forward` on [per_point (N, a), per_frame (b,)], without repeating the frame per point.

        The frame's part of a layer is multiplied once and joins the bias.
        """
        weights: list[Tensor] = []
        biases: list[Tensor] = []
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            weight: Tensor = layer.weight
            bias: Tensor = layer.bias
            if k in (0, self.skip) and len(per_frame):
                widths = [weight.shape[1] - len(per_frame), len(per_frame)]
                weight, frame_weight = weight.split(widths, 1)
                bias = bias + frame_weight @ per_frame
            weights.append(weight)
            biases.append(bias)
        return chain(per_point, weights, biases, self.skip)


def geometry_net(width: int = 256, feature: int = 128) -> MLP:
    """gamma(x) 27 -> sdf 1, offset 3, feature."""
    return MLP((GAMMA_POINT, *[width] * 5, 4 + feature), zero_last=True)


def expression_deform_net(width: int = 256) -> MLP:
    """gamma(x) 27 and beta -> displacement 3 (before tanh and deform_scale)."""
    return MLP((GAMMA_POINT + EXPRESSIONS, *[width] * 5, 3), zero_last=True)


def pose_deform_net(width: int = 256) -> MLP:
    """gamma(x) 27 and gamma(pose) 54 -> displacement 3."""
    return MLP((GAMMA_POINT + GAMMA_POSE, *[width] * 2, 3), zero_last=True)


def expression_color_net(width: int = 256, feature: int = 128, channels: int = 3) -> MLP:
    """Features f and beta -> colour logits."""
    return MLP((feature + EXPRESSIONS, *[width] * 2, channels))


def pose_color_net(width: int = 128, feature: int = 128, channels: int = 3) -> MLP:
    """Features f and gamma(pose) 54 -> colour logits."""
    return MLP((feature + GAMMA_POSE, width, channels))


def expression_attribute_net(width: int = 256, feature: int = 128) -> MLP:
    """Features f and beta -> changes of log-scale 3, quaternion 4, opacity logit 1.

    The changes are multiplied by the head's attributes_scale afterwards.
    """
    return MLP((feature + EXPRESSIONS, *[width] * 3, 8), zero_last=True)


def pose_attribute_net(width: int = 128, feature: int = 128) -> MLP:
    """Features f and gamma(pose) 54 -> the same changes as `expression_attribute_net`."""
    return MLP((feature + GAMMA_POSE, *[width] * 2, 8), zero_last=True)


def blend(
    share: Tensor, x: Tensor, near: Callable[[Tensor], Tensor], far: Callable[[Tensor], Tensor]
) -> Tensor:
    """The mixture share * near(x) + (1 - share) * far(x) for points x (N, d), share (N,).

    Each net is evaluated only where its factor is not zero.
    """
    near_rows, near_part = _weighted(share, x, near)
    far_rows, far_part = _weighted(1 - share, x, far)
    out = near_part.new_zeros(len(x), near_part.shape[1])
    return out.index_add(0, near_rows, near_part).index_add(0, far_rows, far_part)


def _weighted(weight: Tensor, x: Tensor, net: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The rows (K,) where weight (N,) is not zero, and weight * net(x) there (K, c)."""
    rows = torch.nonzero(weight > 0)[:, 0]
    return rows, net(x.index_select(0, rows)) * weight.index_select(0, rows)[:, None]


def expression_share(distance: Tensor) -> Tensor:
    """How much a point obeys expression rather than pose (lineage.md 1.3).

    1 within 3.2 cm of a landmark, 0 beyond 5 cm. `distance` (N,) in decimetres; the thresholds
    compare its SQUARE, as upstream's knn does.
    """
    band = POSE_BEYOND - EXPRESSION_WITHIN
    return ((POSE_BEYOND - distance.square()) / band).clamp(0, 1)


class Deformation(nn.Module):
    """MLP_deform: how far a canonical point moves for (beta, pose), in both stages.

    Expression acts near the landmarks, pose elsewhere, blended by `expression_share` (lineage.md
    1.3; Eq. 3 and 6 read with beta, lineage.md 7, reading 7). `scale` is the furthest move, dm.

    `model_motion`, if any, moves a point first as the fitted face model would, and the expression
    net learns what is left over. The paper has nothing of the kind, and there it is None.
    """

    def __init__(self, width: int, pose_width: int, scale: float):
        super().__init__()
        self.expression = expression_deform_net(width)
        self.pose = pose_deform_net(pose_width)
        self.scale = scale
        self.model_motion: ModelMotion | None = None

    def _load_from_state_dict(self, state, prefix, *rest) -> None:
        """Make place for a saved model motion first, whatever its size."""
        saved = {k: state.get(f"{prefix}model_motion.{k}") for k in ModelMotion.STATE}
        found = {k: x for k, x in saved.items() if x is not None}
        if found:
            self.model_motion = ModelMotion(**found)
        super()._load_from_state_dict(state, prefix, *rest)

    def forward(
        self,
        x: Tensor,
        share: Tensor,
        beta: Tensor,
        pose: Tensor,
        carriers: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Displacements (N, 3) of points x (N, 3) in canonical space, decimetres.

        share (N,) comes from `expression_share`; beta (64,), pose (6,); carriers (N,): see
        `ModelMotion`. known (64,): beta as far as the training went; beside a face model's motion
        the net answers to that, and the model to beta itself.
        """
        turned = gamma(pose)
        asked = beta if known is None or self.model_motion is None else known
        learned = self.scale * blend(
            share,
            gamma(x),
            lambda e: self.expression.shared(e, asked).tanh(),
            lambda e: self.pose.shared(e, turned).tanh(),
        )
        if self.model_motion is None:
            return learned
        rows = torch.nonzero(share > 0)[:, 0]
        followed = None if carriers is None else carriers[rows]
        moved = self.model_motion(x[rows], beta[None], followed)[0] * share[rows, None]
        return learned.index_add(0, rows, moved)

    def expressions(self, x: Tensor, betas: Tensor) -> Tensor:
        """Displacements (F, N, 3) of points on the face (share 1) for expressions betas (F, 64)."""
        points = gamma(x).expand(len(betas), -1, -1)
        joined = torch.cat([points, betas[:, None].expand(-1, len(x), -1)], 2)
        moves = self.scale * self.expression(joined.flatten(0, 1)).tanh().view(len(betas), -1, 3)
        return moves if self.model_motion is None else moves + self.model_motion(x, betas)


class ColorNet(nn.Module):
    """MLP_color: f with beta near the landmarks, f with pose elsewhere; then a sigmoid."""

    def __init__(
        self, width: int, pose_width: int, feature: int, channels: int = 3, direct: bool = False
    ):
        """`direct` adds the first `channels` features to the logits.

        That is a start close to the picture, for short runs.
        """
        super().__init__()
        self.direct = channels if direct else 0
        self.expression = expression_color_net(width, feature, channels)
        self.pose = pose_color_net(pose_width, feature, channels)

    def forward(self, f: Tensor, share: Tensor, beta: Tensor, pose: Tensor) -> Tensor:
        """Colours (N, channels) in [0, 1] of features f (N, feature).

        share (N,) comes from `expression_share`; beta (64,), pose (6,).
        """
        turned = gamma(pose)
        logits = blend(
            share,
            f,
            lambda x: self.expression.shared(x, beta),
            lambda x: self.pose.shared(x, turned),
        )
        return (logits + f[:, : self.direct] if self.direct else logits).sigmoid()


class AttributeNet(nn.Module):
    """MLP_attr: how log-scale 3, quaternion 4 and opacity logit 1 change with beta and pose."""

    def __init__(self, width: int, pose_width: int, feature: int):
        super().__init__()
        self.expression = expression_attribute_net(width, feature)
        self.pose = pose_attribute_net(pose_width, feature)

    def forward(self, f: Tensor, share: Tensor, beta: Tensor, pose: Tensor) -> Tensor:
        """Changes (N, 8) of Gaussians with features f (N, feature).

        share (N,) comes from `expression_share`; beta (64,), pose (6,).
        """
        turned = gamma(pose)
        return blend(
            share,
            f,
            lambda x: self.expression.shared(x, beta),
            lambda x: self.pose.shared(x, turned),
        )
