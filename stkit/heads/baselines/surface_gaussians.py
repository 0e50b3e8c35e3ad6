"""Gaussians bound to the face model's surface, with an offset MLP: FlashAvatar's idea.

FlashAvatar (Xiang et al. 2024) samples Gaussians in the texture plane of FLAME's surface, carries
them with the posed surface, and lets an MLP add small moves, turns and changes of size for each
expression. Colour, opacity and size are each Gaussian's own.

Deviations: MakeHuman's head with the kit's hair shell instead of FLAME with a closed mouth; points
are drawn evenly over its area instead of over a texture; no LPIPS, because its weights cannot be
had here; the kit's tracking instead of their own.
"""

import torch
from torch import Tensor, nn

from stkit import face_models
from stkit.capture import Capture
from stkit.errors import RequestError
from stkit.geometry import nearest, quat_from_z, quat_multiply, random_on_faces, vertex_normals
from stkit.heads.baselines.posed import PosedGaussians
from stkit.heads.networks import EXPRESSIONS, GAMMA_POINT, MLP, gamma
from stkit.render.gaussians import Gaussians

POINTS, WIDTH = 12_000, 64  # FlashAvatar: about 14,000 Gaussians, an MLP 256 wide
MOST = 0.15  # decimetres: how far the MLP may move a Gaussian
FLAT = 0.3  # thickness across the surface against the width along it, at the start
RATES = {"colours": 2.5e-3, "opacities": 5e-2, "scales": 5e-3, "net": 1e-3}  # of Adam


class SurfaceGaussians(PosedGaussians):
    """corners (N, 3) and weights (N, 3): the triangle that each Gaussian lies on and where;
    directions (E, V, 3): how the surface moves with the expression, from beta `rest_beta` (E,).
    """

    corners: Tensor
    weights: Tensor
    verts: Tensor
    directions: Tensor
    rest_beta: Tensor
    rest: Tensor
    quats: Tensor

    def __init__(self, capture: Capture, generator: torch.Generator, points: int = POINTS):
        super().__init__()
        if capture.seat is not None:
            raise RequestError("this baseline follows MakeHuman's head: run with its face model")
        model, verts = face_models.builtin(), capture.hull_verts()
        corners, weights = random_on_faces(verts, model.faces, points, generator)
        rest = (verts[corners] * weights[..., None]).sum(1)
        normals = vertex_normals(verts, model.faces)[corners].mean(1)
        beta = capture.beta[capture.neutral].cpu()
        stored = (verts, corners, weights, model.expression, beta, rest)
        names = ("verts", "corners", "weights", "directions", "rest_beta", "rest")
        for name, value in zip(names, stored):
            self.register_buffer(name, value)
        distance = nearest(rest, rest, k=4)[0][:, 1:].mean(1).clamp(0.01, 0.15)
        scales = distance.log()[:, None].repeat(1, 3)
        scales[:, 2] += torch.tensor(FLAT).log()
        self.log_scales = nn.Parameter(scales)
        self.register_buffer("quats", quat_from_z(nn.functional.normalize(normals, dim=1)))
        self.color_logits = nn.Parameter(torch.zeros(points, 3))
        self.opacity_logits = nn.Parameter(torch.full((points,), 1.5))
        self.net = MLP((GAMMA_POINT + EXPRESSIONS, *[WIDTH] * 4, 10), zero_last=True)

    def rest_points(self) -> Tensor:
        """See `PosedGaussians`."""
        return self.rest

    def groups(self) -> list[dict]:
        """See `PosedGaussians`."""
        return [
            {"params": [self.color_logits], "lr": 10 * RATES["colours"]},
            {"params": [self.opacity_logits], "lr": RATES["opacities"]},
            {"params": [self.log_scales], "lr": RATES["scales"]},
            {"params": [*self.net.parameters()], "lr": RATES["net"]},
        ]

    def canonical(self, beta: Tensor, pose: Tensor) -> Gaussians:
        """The surface carries the Gaussians, the MLP moves, turns and resizes them."""
        moved = self.verts + torch.einsum("e,evk->vk", beta - self.rest_beta, self.directions)
        on_surface = (moved[self.corners] * self.weights[..., None]).sum(1)
        change = self.net.shared(gamma(self.rest), beta)
        turn = torch.cat([torch.ones_like(change[:, :1]), 0.1 * change[:, 3:6]], 1)
        return Gaussians(
            means=on_surface + MOST * change[:, :3].tanh(),
            quats=quat_multiply(nn.functional.normalize(turn, dim=1), self.quats),
            scales=(self.log_scales + 0.1 * change[:, 6:9]).exp(),
            opacities=self.opacity_logits.sigmoid(),
            colors=self.color_logits.sigmoid(),
        )
