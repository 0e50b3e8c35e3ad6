"""Stage 02's model: a DMTet surface with features, deformed by expression and pose (Sec. 3.2, Eq.
3).

Canonical decimetres. The SDF is negative inside. f is the geometry net's output (lineage.md 7,
reading 9).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stkit import face_models
from stkit.cameras import DISTANCE, Camera
from stkit.capture.capture import Capture
from stkit.geometry import nearest, search_tree
from stkit.heads.dmtet import TetGrid, active_tets, make_grid, marching_tetrahedra
from stkit.heads.model_motion import builtin_motion
from stkit.heads.networks import MLP, ColorNet, Deformation, expression_share, gamma, geometry_net
from stkit.heads.starting_surface import outer_surface
from stkit.io.tensors import load_tensors, rebuilt, save_tensors
from stkit.render import MeshImage, render_mesh
from stkit.space import FramePose, to_world

GRID_BATCH = 65536  # grid nodes evaluated at once
# the grid's box, canonical decimetres: beyond the picture to the left, right, below and above
MARGINS = (0.25, 0.25, 0.35, 0.1)
BACK, FRONT, TOP = -1.95, 1.05, 2.0


@dataclass(frozen=True)
class MeshSettings:
    """Widths of the nets, size of f, spacing of the grid (dm) and how the SDF starts ('head' or
    'sphere').

    model_motion: whether the deformation starts from the fitted face model's own expressions (see
    `model_motion.ModelMotion`). The paper's does not.
    """

    width: int = 64
    pose_width: int = 48
    feature: int = 32
    cell: float = 0.1
    band: float = 0.5
    init: str = "head"
    deform_scale: float = 0.3
    model_motion: bool = True


@dataclass(frozen=True)
class PosedMesh:
    """A mesh head in one frame.

    neutral (V, 3) canonical vertices, shift (V, 3) what the deformation adds to them, world (V, 3),
    faces (F, 3), features (V, feature), share (V,) how much each vertex obeys the expression.
    Decimetres.
    """

    neutral: Tensor
    shift: Tensor
    world: Tensor
    faces: Tensor
    features: Tensor
    share: Tensor

    @property
    def deformed(self) -> Tensor:
        """Canonical vertices (V, 3) under the frame's expression and pose."""
        return self.neutral + self.shift


class MeshHead(nn.Module):
    """Grid, SDF, features, deformation and colour. `landmarks` (66, 3): neutral canonical
    landmarks, learnable.
    """

    low: Tensor
    high: Tensor
    surface: Tensor
    nodes: Tensor
    base: Tensor
    encoded: Tensor
    full_sdf: Tensor
    active_ids: Tensor
    row_of: Tensor

    def __init__(
        self, settings: MeshSettings, landmarks: Tensor, low: Tensor, high: Tensor, surface: Tensor
    ):
        """surface (P, 6): points and outward normals of the starting surface, canonical; low, high
        (3,): the grid's box.
        """
        super().__init__()
        s = self.settings = settings
        self.geometry: MLP = geometry_net(s.width, s.feature)
        self.deformation = Deformation(s.width, s.pose_width, s.deform_scale)
        self.color = ColorNet(s.width, s.pose_width, s.feature)
        self.landmarks = nn.Parameter(landmarks.clone())
        for name, value in (("low", low), ("high", high), ("surface", surface)):
            self.register_buffer(name, value.clone())
        self.tree = search_tree(surface[:, :3])
        for name in (
            "nodes",
            "base",
            "encoded",
            "full_sdf",
            "active_ids",
            "row_of",
        ):  # of the grid; not saved, but moved along
            self.register_buffer(name, torch.empty(0), persistent=False)
        self.regrid(s.cell)

    def regrid(self, cell: float) -> None:
        """Lay a new grid of spacing `cell` (dm); the nets are functions of space and stay as they
        are.
        """
        self.lay_grid(cell)
        self.refresh()

    def lay_grid(self, cell: float) -> None:
        """A grid of spacing `cell` (dm) and the SDF's start on it; `refresh` or `activate` must
        follow.
        """
        device = self.low.device

        def near_surface(points: np.ndarray) -> np.ndarray:
            distance = self.start_sdf(torch.from_numpy(points).float().to(device)).abs()
            return distance.cpu().numpy() < self.settings.band

        low, high = self.low.cpu().numpy(), self.high.cpu().numpy()
        self.grid: TetGrid = make_grid(low, high, cell, near_surface)
        self.nodes = self.grid.verts.to(device)
        self.base = self.start_sdf(self.nodes)
        self.encoded = gamma(self.nodes)

    def start_sdf(self, points: Tensor) -> Tensor:
        """The SDF (N,) that training starts from: the fitted head's surface, or the
        unit sphere of the paper and of Gaussian-Head-Avatar.

        Upstream fits its net to a sphere of radius 1 dm first (lineage.md 1.2); here the net adds
        to a fixed start, which needs no pre-training and holds the sides that no frame shows.
        """
        if self.settings.init == "sphere":
            return points.norm(dim=-1) - 1.0
        d, i = nearest(points, self.surface[:, :3], k=4, tree=self.tree)
        offset = points[:, None] - self.surface[i, :3]
        signed = (offset * self.surface[i, 3:]).sum(-1)
        side = torch.sign((signed / d.clamp_min(1e-4)).mean(1))
        return side * d[:, 0]

    def sdf_at(self, points: Tensor) -> Tensor:
        """SDF (N,) at any canonical points (N, 3), decimetres; negative inside."""
        return self.start_sdf(points.detach()) + self.geometry(gamma(points))[:, 0]

    @torch.no_grad()
    def refresh(self) -> None:
        """Evaluate the SDF on the whole grid, and `activate` what is near the surface."""
        parts = [self.geometry(e)[:, 0] for e in self.encoded.split(GRID_BATCH)]
        self.activate(torch.cat(parts) + self.base)

    def activate(self, sdf: Tensor) -> None:
        """Choose the tetrahedra near the surface of an SDF (nodes,) for the steps that follow.

        A tetrahedron on the surface has a corner within half a cell of it; between refreshes the
        SDF moves by less than 0.25 cells.
        """
        self.active, ids = active_tets(self.grid, sdf, 0.8 * self.grid.cell)
        self.active_ids = torch.from_numpy(ids).to(sdf.device)
        rows = torch.arange(len(ids), device=sdf.device)
        self.row_of = torch.zeros_like(sdf, dtype=torch.long).index_copy(0, self.active_ids, rows)
        self.full_sdf = sdf

    def extract(self) -> tuple[Tensor, Tensor, Tensor]:
        """Neutral mesh now: vertices (V, 3), faces (F, 3) and features f (V, feature),
        differentiable.
        """
        ids = self.active_ids
        out = self.geometry(self.encoded.index_select(0, ids))
        sdf = self.full_sdf.index_copy(0, ids, self.base.index_select(0, ids) + out[:, 0])
        moved = self.nodes.index_select(0, ids) + 0.45 * self.grid.cell * out[:, 1:4].tanh()
        verts = self.nodes.index_copy(0, ids, moved)
        points, faces, ends, weight = marching_tetrahedra(self.grid, verts, sdf, self.active)
        a, b = (out[:, 4:].index_select(0, self.row_of[end]) for end in ends.unbind(1))
        return points, faces, a * weight[:, :1] + b * weight[:, 1:]

    def posed(self, frame: FramePose) -> PosedMesh:
        """The surface now, in one frame: extracted, deformed, carried into the world;
        differentiable.
        """
        verts, faces, features = self.extract()
        share = self.share(verts)
        shift = self.deformation(verts, share, frame.beta, frame.pose)
        return PosedMesh(verts, shift, to_world(verts + shift, frame), faces, features, share)

    def render(self, frame: FramePose, camera: Camera, background: float = 1.0) -> MeshImage:
        """The mesh with its own colours in one frame, seen from a camera; differentiable."""
        mesh = self.posed(frame)
        colour = self.color(mesh.features, mesh.share, frame.beta, frame.pose)
        return render_mesh(mesh.world, mesh.faces, colour, camera, background=background)

    @torch.no_grad()
    def render_frame(self, capture: Capture, t: int, camera: Camera | None = None) -> MeshImage:
        """The mesh as frame t of a capture, over white, from its camera or another."""
        return self.render(capture.frame_pose(t), camera or capture.camera)

    def drift(self, generator: torch.Generator, count: int = 2000) -> Tensor:
        """How far the SDF has moved from its start (count,), decimetres, at random grid points near
        the surface.
        """
        pick = torch.randint(len(self.active_ids), (count,), generator=generator)
        return self.geometry(self.encoded[self.active_ids[pick]])[:, 0]

    def share(self, points: Tensor) -> Tensor:
        """Expression share (N,) of canonical points, from their distance to the neutral
        landmarks.
        """
        return expression_share(nearest(points, self.landmarks)[0][:, 0])

    def save(self, path: Path) -> None:
        """Weights, box and starting surface as safetensors, settings in its header."""
        save_tensors(
            path, self.state_dict(), {"mesh": {**asdict(self.settings), "cell": self.grid.cell}}
        )

    @staticmethod
    def load(path: Path) -> "MeshHead":
        """Read what `save` wrote."""
        state, meta = load_tensors(path, "mesh")
        return rebuilt(path, lambda: MeshHead.restored(state, meta))

    @staticmethod
    def restored(state: dict[str, Tensor], meta: dict) -> "MeshHead":
        """The head of a saved state and header."""
        settings = MeshSettings(**meta["mesh"])
        head = MeshHead(settings, state["landmarks"], state["low"], state["high"], state["surface"])
        head.load_state_dict(state)
        head.refresh()
        return head


def new_mesh_head(capture: Capture, settings: MeshSettings) -> MeshHead:
    """A mesh head for a capture, on its device.

    Its box, neutral landmarks and starting surface come from the fitted built-in head.
    """
    device, capture = capture.device, capture.to("cpu")
    half = 0.5 * DISTANCE / capture.focal / float(capture.scale)  # of the picture, at the head
    x0, y0, _ = (capture.pose[capture.neutral, 3:] / capture.scale).tolist()
    left, right, below, above = MARGINS
    low = torch.tensor([-half - x0 - left, -half - y0 - below, BACK])
    high = torch.tensor([half - x0 + right, min(half - y0 + above, TOP), FRONT])
    surface = outer_surface(face_models.builtin(), capture.hull_verts())
    head = MeshHead(settings, capture.neutral_landmarks(), low, high, surface)
    if settings.model_motion and capture.seat is None:
        head.deformation.model_motion = builtin_motion(capture)
    return head.to(device)
