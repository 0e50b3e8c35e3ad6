"""A cloud of coloured points, deformed by an MLP: PointAvatar's idea.

PointAvatar (Zheng et al. 2023) starts from points on a sphere, learns where they belong, and drops
those that no picture shows. An MLP gives every point its own expression directions and how much it
follows the head; these are held to those of the nearest vertex of the face model. A point's colour
is its albedo times a shading that depends on its normal, which deforms as well.

Deviations: points are round Gaussians of one common size instead of PyTorch3D's discs; all of them
are there from the start, and their size shrinks, instead of being doubled several times; normals
are those of the nearest vertex of the face model instead of a learned SDF's; no VGG loss, because
its weights cannot be had here.
"""

import torch
from torch import Tensor, nn

from stkit import face_models
from stkit.capture import Capture
from stkit.errors import RequestError
from stkit.geometry import evenly_spread, nearest, vertex_normals
from stkit.heads.baselines.posed import PosedGaussians
from stkit.heads.networks import EXPRESSIONS, GAMMA_POINT, MLP, gamma
from stkit.render.gaussians import Gaussians

POINTS, WIDTH = 12_000, 64  # PointAvatar: up to 100,000 points, MLPs 128 to 512 wide
START, END = 0.12, 0.035  # decimetres: the points' radius before and after training
SPHERE = 1.2  # decimetres: the sphere that they start on
OPACITY = 0.97
DROPS = 8  # times in a training that points which no picture has shown since the last are dropped
HIDDEN = 0.02  # of the median pull on a point's colour, below which it counts as not shown
SEARCHES = 32  # times in a training that the nearest vertices are looked up
W_DIRECTIONS = 10.0  # of the expression directions' distance to the face model's
RATES = {"points": 3e-3, "albedo": 1e-2, "net": 1e-3}  # of Adam


class DeformedPoints(PosedGaussians):
    """xyz (N, 3) canonical points with an albedo each; `grown` (): share of the training that is
    done, by which their radius shrinks; `kept` (N,): 1, or 0 for a point that was dropped.
    """

    verts: Tensor
    normals: Tensor
    directions: Tensor
    rest_beta: Tensor
    grown: Tensor
    kept: Tensor
    pull: Tensor
    near: Tensor

    def __init__(self, capture: Capture, generator: torch.Generator, points: int = POINTS):
        super().__init__()
        if capture.seat is not None:
            raise RequestError("this baseline follows MakeHuman's head: run with its face model")
        model, verts = face_models.builtin(), capture.hull_verts()
        for name, value in (
            ("verts", verts),
            ("normals", vertex_normals(verts, model.faces)),
            ("directions", model.expression),
            ("rest_beta", capture.beta[capture.neutral].cpu()),
            ("grown", torch.zeros(())),
            ("kept", torch.ones(points)),
            ("pull", torch.zeros(points)),
        ):
            self.register_buffer(name, value)
        jitter = 0.05 * torch.randn(points, 3, generator=generator)
        self.xyz = nn.Parameter(SPHERE * evenly_spread(points) + jitter)
        self.albedo_logits = nn.Parameter(torch.zeros(points, 3))
        self.moves = MLP((GAMMA_POINT, *[WIDTH] * 4, 3 * EXPRESSIONS), zero_last=True)
        self.shade = MLP((3, 32, 32, 1), zero_last=True)
        self.register_buffer("near", self.nearest_vertices())

    def rest_points(self) -> Tensor:
        """See `PosedGaussians`."""
        return self.xyz

    def trained(self, share: float) -> None:
        """Shrink the points; now and then drop those that no picture has shown, and look up which
        vertices are nearest.
        """
        if int(SEARCHES * share) > int(SEARCHES * float(self.grown)):
            self.near = self.nearest_vertices()
        if self.albedo_logits.grad is not None:
            self.pull += self.albedo_logits.grad.abs().sum(1)
        if int(DROPS * share) > int(DROPS * float(self.grown)):
            self.kept *= self.pull > HIDDEN * self.pull[self.pull > 0].median()
            self.pull.zero_()
        self.grown.fill_(share)

    def groups(self) -> list[dict]:
        """See `PosedGaussians`."""
        nets = [*self.moves.parameters(), *self.shade.parameters()]
        return [
            {"params": [self.xyz], "lr": RATES["points"]},
            {"params": [self.albedo_logits], "lr": RATES["albedo"]},
            {"params": nets, "lr": RATES["net"]},
        ]

    def own_directions(self) -> Tensor:
        """How far each point moves with each expression (N, E, 3)."""
        return self.moves(gamma(self.xyz.detach())).unflatten(1, (EXPRESSIONS, 3))

    def nearest_vertices(self) -> Tensor:
        """The face model's vertex (N,) nearest to each point."""
        return nearest(self.xyz.detach(), self.verts)[1][:, 0]

    def canonical(self, beta: Tensor, pose: Tensor) -> Gaussians:
        """Points moved by their own directions, shaded by their normals."""
        change = beta - self.rest_beta
        moved = self.xyz + torch.einsum("e,nek->nk", change, self.own_directions())
        normals = self.normals[self.near]
        shading = 2 * self.shade(normals).sigmoid()
        count = len(self.xyz)
        radius = START * (END / START) ** float(self.grown)
        return Gaussians(
            means=moved,
            quats=torch.tensor([1.0, 0, 0, 0]).expand(count, 4),
            scales=moved.new_full((count, 3), radius),
            opacities=OPACITY * self.kept,
            colors=(self.albedo_logits.sigmoid() * shading).clamp(0, 1),
        )

    def extra_loss(self, beta: Tensor) -> Tensor:
        """Squared distance of the points' expression directions to the nearest vertices'."""
        wanted = self.directions[:, self.near].permute(1, 0, 2)
        return W_DIRECTIONS * (self.own_directions() - wanted).square().mean()
