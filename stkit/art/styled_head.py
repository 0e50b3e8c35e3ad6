"""A Gaussian head drawn in an art style, from any camera and in any frame."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.art.art_style import ArtStyle, Colours
from stkit.art.gbuffer import GBuffer
from stkit.art.proportions import displacement
from stkit.art.regions import gaussian_regions
from stkit.art.shading import region_colours, restyle
from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.driving.motion import Motion
from stkit.geometry import nearest, so3_exp
from stkit.heads.gaussian import GaussianHead
from stkit.heads.reshaping import Carrier
from stkit.heads.starting_surface import outer_surface
from stkit.space import FramePose

NORMALS_OF = 12  # nearest points of the surface whose normals a Gaussian takes on average


@dataclass(frozen=True)
class Drawing:
    """An art style and how far it goes: degree is the paper's d_s (structure), color_transfer how
    far colours go. Both from 0 to 1.
    """

    style: ArtStyle
    degree: float = 0.5
    color_transfer: float = 1.0


class StylableHead:
    """A head with what art styles need to know of its Gaussians: places (N, 3), normals (N, 3) and
    regions (N, 6) in the neutral face, how they move with proportions, and the head's own colours.
    """

    def __init__(self, head: GaussianHead, capture: Capture):
        self.head, self.capture = head, capture
        self.normals = surface_normals(head, capture)
        self.regions = gaussian_regions(head, capture)
        self.carrier = Carrier(head.xyz.detach(), capture)
        neutral = capture.frame_pose(capture.neutral)
        with torch.no_grad():
            self.places = head.canonical(neutral.beta, neutral.pose).means
        self.own: dict[str, Colours] = region_colours(self.layers(capture.camera, neutral))

    @torch.no_grad()
    def layers(self, camera: Camera, frame: FramePose, moved: Tensor | None = None) -> GBuffer:
        """The G-buffer of a frame; `moved` (N, 3): proportions, canonical decimetres."""
        canonical = self.head.canonical(frame.beta, frame.pose)
        if moved is not None:
            canonical = replace(canonical, means=canonical.means + moved)
        gaussians = self.head.place(canonical, frame)
        normals = self.normals @ so3_exp(frame.pose[:3]).T
        extra = torch.cat([normals, self.places, self.regions], 1)
        image, alpha = gaussians.render(camera, extra)
        distance = float((camera.centre() - frame.pose[3:]).norm())
        pixel = distance / float(camera.K[0, 0]) / float(frame.scale)
        return GBuffer.of_splats(image, alpha, pixel)

    def proportions(self, drawing: Drawing) -> Tensor:
        """How far each Gaussian moves (N, 3) for a drawing's proportions."""
        pushed = {name: drawing.degree * x for name, x in drawing.style.proportions.items()}
        return self.carrier.carried(displacement(pushed))

    def draw(
        self, camera: Camera, frame: FramePose, drawing: Drawing, moved: Tensor | None = None
    ) -> Tensor:
        """The styled picture (H, W, 3) over white. moved: the drawing's `proportions`, where they
        are known already.
        """
        moved = self.proportions(drawing) if moved is None else moved
        layers = self.layers(camera, frame, moved)
        return restyle(layers, drawing.style, self.own, drawing.degree, drawing.color_transfer)

    def play(
        self,
        motion: Motion,
        drawing: Drawing,
        cameras: list[Camera] | Camera | None = None,
        progress=lambda items, **_: items,
    ) -> np.ndarray:
        """Frames (F, H, W, 3) uint8 of a motion; cameras: as `driving.motion.play` takes them."""
        neutral, moved = self.capture.frame_pose(self.capture.neutral), self.proportions(drawing)
        frames = []
        for t in progress(range(len(motion)), desc="drawing"):
            camera = cameras[t] if isinstance(cameras, list) else cameras or self.capture.camera
            picture = self.draw(camera, motion.frame(t, neutral), drawing, moved)
            frames.append((picture * 255).round().byte().numpy())
        return np.stack(frames)


def surface_normals(head: GaussianHead, capture: Capture) -> Tensor:
    """Outward unit normals (N, 3) of the fitted face, hair and shoulders where the Gaussians are:
    smoother than those of Gaussians, or of a mesh that follows a video.
    """
    surface = outer_surface(face_models.builtin(), capture.hull_verts())
    around = nearest(head.xyz.detach(), surface[:, :3], k=NORMALS_OF)[1]
    return torch.nn.functional.normalize(surface[around, 3:].mean(1), dim=1)
