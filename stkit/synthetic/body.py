"""A made-up person ready to be drawn: everything that stays the same from frame to frame."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.head import LASHES, PARTS
from stkit.geometry import vertex_normals
from stkit.synthetic import chart, hair, short_hair, skin, wires
from stkit.synthetic.clothes import Piece, hidden, sew
from stkit.synthetic.distance import distance_grid
from stkit.synthetic.hair import Strands
from stkit.synthetic.person import Person
from stkit.synthetic.shadows import openness
from stkit.synthetic.skin import Skin

CLOTH = len(PARTS)  # the number of cloth among the parts, after the face model's own
UP = torch.tensor([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Body:
    """One person's surfaces and strands, at rest in canonical space.

    rest (V, 3): the face model's vertices; cloth: a piece over them; faces (F, 3) of both, cloth's
    vertices after the face model's, with their part (F,); mean (V + P, 3): where textures are
    looked up; openness (V + P,): how much of the sky each vertex sees.
    """

    person: Person
    rest: Tensor
    normals: Tensor
    cloth: Piece | None
    faces: Tensor
    face_part: Tensor
    mean: Tensor
    openness: Tensor
    skin: Skin
    weave: Tensor
    strands: tuple[Strands, ...]

    def canonical(self, beta: Tensor) -> Tensor:
        """All vertices (V + P, 3) with the expression beta (64,), canonical decimetres."""
        return self.covered(self.rest + torch.einsum("e,evk->vk", beta, makehuman().expression))

    def covered(self, verts: Tensor) -> Tensor:
        """The face model's vertices (V, 3) and the cloth's over them (V + P, 3)."""
        return verts if self.cloth is None else torch.cat([verts, self.cloth.verts(verts)])

    def strand_points(self, strands: Strands, verts: Tensor, normals: Tensor) -> Tensor:
        """Strands (N, P, 3) over vertices (V + P, 3) with their normals, canonical decimetres."""
        root = (strands.shares[..., None] * self.rest[strands.roots]).sum(1)
        moved = (strands.shares[..., None] * verts[strands.roots]).sum(1)
        if strands.kind != "short":
            return strands.points + (moved - root)[:, None]
        before = _frames(strands, self.normals)
        after = _frames(strands, normals)
        turn = after @ before.transpose(1, 2)
        return moved[:, None] + (strands.points - root[:, None]) @ turn.transpose(1, 2)


def _frames(strands: Strands, normals: Tensor) -> Tensor:
    """Axes (N, 3, 3), as columns, of the skin at each root."""
    n = normalize((strands.shares[..., None] * normals[strands.roots]).sum(1), dim=1)
    up = normalize(UP - (n @ UP)[:, None] * n, dim=1)
    return torch.stack([n, up, torch.linalg.cross(n, up)], 2)


def embody(person: Person, shape: Tensor | None = None) -> Body:
    """Sew clothes, paint the skin and grow the hair of a person: about two seconds.

    `shape` (V, 3) replaces the person's own vertices at rest.
    """
    head = makehuman()
    rest = person.verts() if shape is None else shape
    normals = vertex_normals(rest, head.faces)
    cloth = sew(person.clothes, person.seed, rest)
    keep = (head.face_part != LASHES) & ~hidden(person.clothes)
    faces, face_part, mean = head.faces[keep], head.face_part[keep], head.mean
    surface = rest
    if cloth is not None:
        faces = torch.cat([faces, cloth.faces + len(rest)])
        face_part = torch.cat([face_part, torch.full((len(cloth.faces),), CLOTH)])
        mean = torch.cat([mean, cloth.weights @ mean])
        surface = torch.cat([rest, cloth.verts(rest)])
    surface_normals = vertex_normals(surface, faces)
    outer = surface[outer_vertices(faces, face_part)]
    outer_normals = surface_normals[outer_vertices(faces, face_part)]
    around = distance_grid(outer, outer_normals)
    hair_colour = torch.lerp(hair.pigmented(person), hair.GREY, person.hair.grey)
    grown = (
        hair.grow_hair(person, rest, normals, around),
        short_hair.grow_brows(person, rest, normals),
        short_hair.grow_lashes(person, rest),
        short_hair.grow_beard(person, rest, normals, skin.beard_mask()),
        wires.glasses(person, rest),
        wires.earrings(person, rest),
    )
    return Body(
        person,
        rest,
        normals,
        cloth,
        faces,
        face_part,
        mean,
        openness(surface, faces, surface_normals),
        skin.paint(person, hair_colour, hair.scalp_mask(person)),
        chart.noise(person.seed, "weave", 0.04),
        tuple(strands for strands in grown if strands is not None),
    )


def outer_vertices(faces: Tensor, face_part: Tensor) -> Tensor:
    """The numbers of the vertices of skin and cloth."""
    return faces[(face_part == 0) | (face_part == CLOTH)].unique()
