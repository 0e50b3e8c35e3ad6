"""Stage 03's model: 3D Gaussians on the mesh's vertices, one feature each, moved by MLP_deform,
coloured and shaped by nets (Eq. 6). Canonical decimetres; colours RGB; degree-0 (no spherical
harmonics), as the lineage has it.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from stkit.cameras import Camera
from stkit.capture import Capture
from stkit.face_models.seated import BETAS
from stkit.geometry import nearest
from stkit.heads.free_form import displacement
from stkit.heads.networks import AttributeNet, ColorNet, Deformation, expression_share
from stkit.heads.placing import carried
from stkit.io.tensors import load_tensors, rebuilt, save_tensors
from stkit.render.gaussians import Gaussians
from stkit.space import FramePose

SHAPE_BUFFERS = ("moved", "maps", "moved_landmarks")  # empty until the shape is changed
# what heads of former versions were saved without
LATER_BUFFERS = ("beta_low", "beta_high", *SHAPE_BUFFERS)
BEYOND = 0.05  # of an action: how far beyond the training's expressions nets may answer


@dataclass(frozen=True)
class GaussianSettings:
    """Widths of the nets, how many points in the mouth, and how far attributes may depend on
    expression and pose.

    face_points: how many Gaussians, a new head's last ones, lie on eyes, lids, lips and in the
    mouth of the fitted face model (see `face_points`), where the deformation starts from it;
    elsewhere `mouth_points` lie around the lips, as upstream's.
    surface_points: where the mesh has fewer vertices than this, random points of its faces are
    added (0: vertices alone, as upstream). flat: thickness across the surface against the width
    along it, at the start. Upstream's balls (1.0) stand out beyond the silhouettes of views that
    training never saw.
    """

    width: int = 64
    pose_width: int = 48
    feature: int = 32
    mouth_points: int = 1200
    face_points: int = 3000
    surface_points: int = 0
    deform_scale: float = 0.3
    attributes_scale: float = 0.2
    opacity: float = 0.3
    flat: float = 0.25
    direct_color: bool = True


class GaussianHead(nn.Module):
    """N Gaussians with features. Deformation is kept from stage 02 and frozen; colour and attribute
    nets are new.

    After a change of the head's shape (see `reshaping`), moved (N, 3) and maps (N, 3, 3) say how
    far points have moved and how the surface there is turned and stretched, moved_landmarks
    (66, 3) how far landmarks have; the nets are asked at the places before. Else all are empty.
    """

    landmarks: Tensor
    share: Tensor
    carriers: Tensor
    moved: Tensor
    maps: Tensor
    moved_landmarks: Tensor
    beta_low: Tensor
    beta_high: Tensor

    def __init__(self, settings: GaussianSettings, points: int):
        super().__init__()
        s = self.settings = settings
        self.xyz = nn.Parameter(torch.zeros(points, 3))
        self.feature = nn.Parameter(torch.zeros(points, s.feature))
        self.log_scales = nn.Parameter(torch.zeros(points, 3))
        self.quats = nn.Parameter(torch.zeros(points, 4))
        self.opacity_logits = nn.Parameter(torch.zeros(points))
        self.follow_logits = nn.Parameter(torch.zeros(points))
        self.deformation = Deformation(s.width, s.pose_width, s.deform_scale)
        self.color = ColorNet(s.width, s.pose_width, s.feature, direct=s.direct_color)
        self.attributes = AttributeNet(s.width, s.pose_width, s.feature)
        self.register_buffer("landmarks", torch.zeros(66, 3))
        self.register_buffer("share", torch.zeros(points))
        self.register_buffer("carriers", torch.zeros(points, dtype=torch.long))
        self.register_buffer("moved", torch.zeros(0, 3))
        self.register_buffer("maps", torch.zeros(0, 3, 3))
        self.register_buffer("moved_landmarks", torch.zeros(0, 3))
        self.register_buffer("beta_low", torch.full((BETAS,), -torch.inf))
        self.register_buffer("beta_high", torch.full((BETAS,), torch.inf))

    @torch.no_grad()
    def refresh(self) -> None:
        """Recompute each point's expression share after positions moved."""
        self.share = expression_share(nearest(self.xyz, self.landmarks)[0][:, 0])

    @torch.no_grad()
    def keep_within(self, betas: Tensor) -> None:
        """Nets answer no further than the expressions (F, 64) of the training go, and a little
        beyond: they extrapolate anything, and under a smile that the clip never shows a face became
        dark. Where a face model moves the points, it follows the expression as far as it goes.
        """
        self.beta_low = betas.min(0).values - BEYOND
        self.beta_high = betas.max(0).values + BEYOND

    @property
    def places(self) -> Tensor:
        """Where the points are on the undeformed head (N, 3), detached."""
        return self.xyz.detach() + self.moved if len(self.moved) else self.xyz.detach()

    def shift(self, beta: Tensor, pose: Tensor) -> Tensor:
        """How far deformation and change of shape move each point (N, 3); a frozen deformation is
        evaluated without gradient.
        """
        with torch.set_grad_enabled(
            any(p.requires_grad for p in self.deformation.parameters()) and torch.is_grad_enabled()
        ):
            at = self.xyz.detach()
            known = self.known(beta)
            shift = self.deformation(at, self.share, beta, pose, self.carriers, known)
            if len(self.moved):
                return self.moved + (self.maps @ shift[..., None])[..., 0]
            return shift

    def known(self, beta: Tensor) -> Tensor:
        """An expression (64,) within the range that the nets know."""
        return torch.minimum(torch.maximum(beta, self.beta_low), self.beta_high)

    def canonical(self, beta: Tensor, pose: Tensor, shift: Tensor | None = None) -> Gaussians:
        """Gaussians in canonical space under an expression beta (64,) and a pose (6,).

        `shift` (N, 3) replaces the deformation's: where it is frozen, it need not be computed in
        every step.
        """
        shift = self.shift(beta, pose) if shift is None else shift
        known = self.known(beta)
        change = self.settings.attributes_scale * self.attributes(
            self.feature, self.share, known, pose
        )
        return Gaussians(
            means=self.xyz + shift,
            quats=nn.functional.normalize(self.quats + change[:, 3:7], dim=-1),
            scales=(self.log_scales + change[:, :3]).exp(),
            opacities=(self.opacity_logits + change[:, 7]).sigmoid(),
            colors=self.color(self.feature, self.share, known, pose),
        )

    def swing(self, canonical: Gaussians, lattice: Tensor | None) -> Gaussians:
        """Canonical Gaussians after a frame's lattice (K, 3) has moved hair and clothes; None: as
        they are.
        """
        if lattice is None:
            return canonical
        moved = displacement(self.xyz.detach(), self.share, lattice)
        return replace(canonical, means=canonical.means + moved)

    def place(self, canonical: Gaussians, frame: FramePose) -> Gaussians:
        """Canonical Gaussians carried into the world by a frame's head and chest, after its lattice
        has moved hair and clothes.

        How much each point follows the head rather than the chest is learned: long hair hangs below
        the jaw and follows.
        """
        follow = self.follow_logits.sigmoid()[:, None]
        return carried(self.swing(canonical, frame.lattice), frame, follow)

    def gaussians(self, frame: FramePose) -> Gaussians:
        """World-space Gaussians of one frame, decimetres."""
        return self.place(self.canonical(frame.beta, frame.pose), frame)

    def render(
        self,
        camera: Camera,
        frame: FramePose,
        extra: Tensor | None = None,
        background: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Image (H, W, 3 [+ E]) and alpha (H, W, 1) of one frame; `extra` (N, E): see
        `Gaussians.render`.
        """
        return self.gaussians(frame).render(camera, extra, background)

    @torch.no_grad()
    def render_frame(self, capture: Capture, t: int, camera: Camera | None = None) -> Tensor:
        """The head as frame t of a capture (H, W, 3) in [0, 1], over white, from its camera or
        another.
        """
        return self.render(camera or capture.camera, capture.frame_pose(t))[0].clamp(0, 1)

    def save(self, path: Path, kind: str = "gaussians") -> None:
        """Write safetensors; `kind` is 'gaussians' or 'edited'."""
        save_tensors(path, self.state_dict(), {kind: True, "gaussians": asdict(self.settings)})

    @staticmethod
    def load(path: Path) -> "GaussianHead":
        """Read what `save` wrote."""
        state, meta = load_tensors(path, "gaussians")
        return rebuilt(path, lambda: GaussianHead.restored(state, meta))

    @staticmethod
    def restored(state: dict[str, Tensor], meta: dict) -> "GaussianHead":
        """The head of a saved state and header; one that was saved without the range of its
        expressions has none, one without a change of shape has its own.
        """
        head = GaussianHead(GaussianSettings(**meta["gaussians"]), len(state["xyz"]))
        state = {name: getattr(head, name) for name in LATER_BUFFERS} | state
        for name in SHAPE_BUFFERS:
            setattr(head, name, state[name])
        head.load_state_dict(state)
        return head
