"""The small MLPs of the method and the positional encoding gamma (lineage.md 1.3)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stkit.heads.fused_mlp import chain

OCTAVES = 4


def gamma(x: Tensor) -> Tensor:
    """Positional encoding: x with sin and cos at 1, 2, 4, 8 times x; (..., d) -> (..., 9 d)."""
    scaled = torch.cat([x * 2.0**k for k in range(OCTAVES)], -1)
    return torch.cat([x, scaled.sin(), scaled.cos()], -1)


class MLP(nn.Module):
    """Fully connected layers with LeakyReLU(0.01); the raw input is joined again at layer len(dims) // 2.

    dims lists the layer widths, input first: (27, 256, 256, 256, 256, 256, 132) is Gaussian-Head-Avatar's geometry net.
    """

    def __init__(self, dims: tuple[int, ...], zero_last: bool = False):
        super().__init__()
        self.skip = len(dims) // 2
        self.layers = nn.ModuleList(
            nn.Linear(a + (dims[0] if k == self.skip else 0), b)
            for k, (a, b) in enumerate(zip(dims, dims[1:]))
        )
        if zero_last:
            nn.init.normal_(self.layers[-1].weight, std=1e-3)
            nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        """X (N, a) -> (N, dims[-1])."""
        return self.shared(x, x.new_zeros(0))

    def shared(self, per_point: Tensor, per_frame: Tensor) -> Tensor:
        """`forward` on [per_point (N, a), per_frame (b,)]: the frame's part is multiplied once and joins the bias."""
        weights, biases = [], []
        for k, layer in enumerate(self.layers):
            weight, bias = layer.weight, layer.bias
            if k in (0, self.skip) and len(per_frame):
                weight, frame = weight.split([weight.shape[1] - len(per_frame), len(per_frame)], 1)
                bias = bias + frame @ per_frame
            weights.append(weight)
            biases.append(bias)
        return chain(per_point, weights, biases, self.skip)


def geometry_net(width: int = 256, feature: int = 128) -> MLP:
    """gamma(x) 27 -> sdf 1, offset 3, feature."""
    return MLP((27, *[width] * 5, 4 + feature), zero_last=True)


def expression_deform_net(width: int = 256, expressions: int = 64) -> MLP:
    """gamma(x) 27 and beta -> displacement 3 (before tanh and deform_scale)."""
    return MLP((27 + expressions, *[width] * 5, 3), zero_last=True)


def pose_deform_net(width: int = 256) -> MLP:
    """gamma(x) 27 and gamma(pose) 54 -> displacement 3."""
    return MLP((81, *[width] * 2, 3), zero_last=True)


def expression_color_net(
    width: int = 256, feature: int = 128, channels: int = 3, expressions: int = 64
) -> MLP:
    """F and beta -> colour logits."""
    return MLP((feature + expressions, *[width] * 2, channels))


def pose_color_net(width: int = 128, feature: int = 128, channels: int = 3) -> MLP:
    """F and gamma(pose) 54 -> colour logits."""
    return MLP((feature + 54, width, channels))


def expression_attribute_net(width: int = 256, feature: int = 128, expressions: int = 64) -> MLP:
    """F and beta -> log-scale 3, quaternion 4, opacity logit 1 (changes, before attributes_scale)."""
    return MLP((feature + expressions, *[width] * 3, 8), zero_last=True)


def pose_attribute_net(width: int = 128, feature: int = 128) -> MLP:
    """F and gamma(pose) 54 -> log-scale 3, quaternion 4, opacity logit 1."""
    return MLP((feature + 54, *[width] * 2, 8), zero_last=True)


def blend(
    share: Tensor, x: Tensor, near: Callable[[Tensor], Tensor], far: Callable[[Tensor], Tensor]
) -> Tensor:
    """Share * near(x) + (1 - share) * far(x) for points x (N, d), each net evaluated only where its factor is not zero."""
    out = None
    for weight, net in ((share, near), (1 - share, far)):
        index = torch.nonzero(weight > 0)[:, 0]
        part = net(x.index_select(0, index)) * weight.index_select(0, index)[:, None]
        out = part.new_zeros(len(x), part.shape[1]) if out is None else out
        out = out.index_add(0, index, part)
    return out


def expression_share(distance: Tensor, near: float = 0.1, far: float = 0.25) -> Tensor:
    """How much a point obeys expression rather than pose: 1 within 3.2 cm of a landmark, 0 beyond 5 cm (lineage.md 1.3).

    `distance` (N,) in decimetres; the thresholds compare its SQUARE, as upstream's knn does.
    """
    return ((far - distance.square()) / (far - near)).clamp(0, 1)


class Deformation(nn.Module):
    """MLP_deform: how far a canonical point moves for (beta, pose); shared by the mesh and the Gaussian stage.

    Expression acts near the landmarks, pose elsewhere, blended by `expression_share` (lineage.md 1.3; Eq. 3 and 6 read with
    beta, lineage.md 7, reading 7).
    """

    def __init__(self, width: int, pose_width: int, scale: float):
        super().__init__()
        self.expression = expression_deform_net(width)
        self.pose = pose_deform_net(pose_width)
        self.scale = scale

    def forward(self, x: Tensor, share: Tensor, beta: Tensor, pose: Tensor) -> Tensor:
        """Displacements (N, 3) of points x (N, 3); share (N,) from `expression_share`; beta (64,), pose (6,)."""
        turned = gamma(pose)
        return self.scale * blend(
            share,
            gamma(x),
            lambda e: self.expression.shared(e, beta).tanh(),
            lambda e: self.pose.shared(e, turned).tanh(),
        )

    def expressions(self, x: Tensor, betas: Tensor) -> Tensor:
        """`forward` at once for several expressions betas (F, 64), of points on the face (share 1): displacements (F, N, 3)."""
        points = gamma(x).expand(len(betas), -1, -1)
        joined = torch.cat([points, betas[:, None].expand(-1, len(x), -1)], 2)
        return self.scale * self.expression(joined.flatten(0, 1)).tanh().view(len(betas), len(x), 3)


class ColorNet(nn.Module):
    """MLP_color: f with beta near the landmarks, f with pose elsewhere; sigmoid colours (N, channels)."""

    def __init__(
        self, width: int, pose_width: int, feature: int, channels: int = 3, direct: bool = False
    ):
        """`direct` adds the first `channels` features to the logits: a start close to the picture, for short runs."""
        super().__init__()
        self.direct = channels if direct else 0
        self.expression = expression_color_net(width, feature, channels)
        self.pose = pose_color_net(pose_width, feature, channels)

    def forward(self, f: Tensor, share: Tensor, beta: Tensor, pose: Tensor) -> Tensor:
        """Colours (N, channels) in [0, 1] of features f (N, feature)."""
        turned = gamma(pose)
        logits = blend(
            share,
            f,
            lambda x: self.expression.shared(x, beta),
            lambda x: self.pose.shared(x, turned),
        )
        return (logits + f[:, : self.direct] if self.direct else logits).sigmoid()


class AttributeNet(nn.Module):
    """MLP_attr: changes (N, 8) of log-scale 3, quaternion 4 and opacity logit 1 with expression and pose."""

    def __init__(self, width: int, pose_width: int, feature: int):
        super().__init__()
        self.expression = expression_attribute_net(width, feature)
        self.pose = pose_attribute_net(pose_width, feature)

    def forward(self, f: Tensor, share: Tensor, beta: Tensor, pose: Tensor) -> Tensor:
        turned = gamma(pose)
        return blend(
            share,
            f,
            lambda x: self.expression.shared(x, beta),
            lambda x: self.pose.shared(x, turned),
        )
