"""What a deformation starts from in the kit's own profiles: the fitted face model's expressions."""

import torch
from torch import Tensor, nn

from stkit import face_models
from stkit.capture.capture import Track
from stkit.geometry import nearest, search_tree

CLOSE = 0.02  # decimetres: a point as near as this to a vertex moves like it
RING = 8  # a vertex and at most seven neighbours
PARTS = ("skin", "mouth", "eye_l", "eye_r", "teeth_upper", "teeth_lower", "tongue")


class ModelMotion(nn.Module):
    """How a fitted face model's surface moves with the expression, continued to any point.

    A point moves like the vertex nearest to it and that vertex's neighbours on the surface, the
    nearer the more. Neighbours are those of the surface and not of space: lips that touch in the
    neutral frame are one place in space, and no function of space alone can part them.
    """

    STATE = ("verts", "rings", "directions", "rest")
    verts: Tensor
    rings: Tensor
    directions: Tensor
    rest: Tensor

    def __init__(self, verts: Tensor, rings: Tensor, directions: Tensor, rest: Tensor):
        """verts (A, 3) at the neutral frame, rings (A, R): each one's number and its neighbours',
        directions (E, A, 3) of the expressions, decimetres; rest (E,): beta of the neutral frame.
        """
        super().__init__()
        for name, value in zip(self.STATE, (verts, rings, directions.half(), rest)):
            self.register_buffer(name, value.clone())
        self.tree = search_tree(verts)

    def carriers(self, x: Tensor) -> Tensor:
        """The number of the vertex nearest to each point x (N, 3): (N,)."""
        return nearest(x.detach(), self.verts, tree=self.tree).indices[:, 0]

    def forward(self, x: Tensor, betas: Tensor, carriers: Tensor | None = None) -> Tensor:
        """Displacements (F, N, 3) of points x (N, 3) for expressions betas (F, E).

        carriers (N,): the vertex that each point follows, where it is known; otherwise the nearest.
        """
        at = x.detach()
        ring = self.rings[self.carriers(at) if carriers is None else carriers]
        distance = (self.verts[ring] - at[:, None]).square().sum(2)
        weight = 1 / (distance + CLOSE**2)
        weight = weight / weight.sum(1, keepdim=True)
        moved = torch.einsum("fe,eak->fak", betas - self.rest, self.directions.float())
        return (weight[..., None] * moved[:, ring]).sum(2)


def builtin_motion(track: Track) -> ModelMotion:
    """Of the built-in head, without its hair shell, as it was fitted to a clip's neutral frame."""
    model, beta = face_models.builtin(), track.beta[track.neutral].cpu()
    chosen, number = moving_vertices()
    faces = number[model.faces]
    rings = surface_rings(faces[(faces >= 0).all(1)], len(chosen))
    verts = track.hull_verts()[chosen]
    return ModelMotion(verts, rings, model.expression[:, chosen], beta)


def moving_vertices() -> tuple[Tensor, Tensor]:
    """The built-in head's vertices without lashes and hair (A,), and for every vertex its place
    among them, or -1 (V,).
    """
    model = face_models.builtin()
    chosen = torch.nonzero(model.part(*PARTS))[:, 0]
    number = torch.full((len(model.mean),), -1)
    number[chosen] = torch.arange(len(chosen))
    return chosen, number


def surface_rings(faces: Tensor, count: int) -> Tensor:
    """Each of `count` vertices' own number and its neighbours' over the edges of triangles (F, 3),
    (count, `RING`).

    Where there are fewer neighbours the vertex itself is repeated, where there are more they are
    left out.
    """
    edges = torch.cat([faces[:, [a, b]] for a in range(3) for b in range(3) if a != b]).unique(
        dim=0
    )
    first = torch.searchsorted(edges[:, 0].contiguous(), torch.arange(count))
    place = torch.arange(len(edges)) - first[edges[:, 0]]
    rings = torch.arange(count)[:, None].repeat(1, RING)
    kept = place < RING - 1
    rings[edges[kept, 0], place[kept] + 1] = edges[kept, 1]
    return rings
