"""From heads and Gaussians to the packets that splat viewers draw.

A moving head is packed as Gaussians at rest, a linear basis of what expressions change
(`motion_basis`), and rigid motions: head pose and chest are exact, blended as `GaussianHead.place`
does.
"""

import gzip
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.driving.motion import Motion, own_motion
from stkit.editing.weights import landmark_set
from stkit.errors import RequestError
from stkit.geometry import axis_angle_to_quat, nearest, quat_multiply, so3_exp
from stkit.heads.gaussian import GaussianHead
from stkit.render.gaussians import Gaussians
from stkit.space import FramePose
from stkit.viewers.art_packing import ArtLook, add_art
from stkit.viewers.motion_basis import Attributes, MotionBasis, attributes, tolerances
from stkit.viewers.packet import Packet
from stkit.viewers.rest_packet import RestScene
from stkit.viewers.sliders import SLIDERS, slider_step

FPS = 12.5  # frames a second of a clip that is shown
MAX_COMPONENTS = 32  # of clip and sliders together; as in src/expression_shaders.js
ROUNDINGS = (0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)  # tolerances, tried from fine to coarse
GZIP_LEVEL = 6
IDENTITY = np.concatenate(
    [np.eye(3).ravel(), [0, 0, 0], [1, 0, 0, 0]]
)  # rotation, translation, quat


def clip_frames(length: int, frames: int) -> np.ndarray:
    """Indices of up to `frames` evenly spread frames of a clip."""
    return np.linspace(0, length - 1, min(frames, length)).round().astype(int)


def pack_gaussians(
    g: Gaussians,
    camera: Camera,
    distance: Tensor | None = None,
    edited: Gaussians | None = None,
    alt: str = "Gaussians.",
) -> Packet:
    """Still Gaussians in the world, colors (N, 3) in [0, 1].

    `distance` (N,): decimetres to the nearest landmark, for the weight overlay. `edited`: the same
    points, changed.
    """
    g = g.detach()
    looks = [g] if edited is None else [g, edited.detach()]
    pivot = g.means.median(0).values
    packet = RestScene(looks, camera, pivot, torch.ones(len(g)), distance, 1.0, alt).packet()
    packet.arrays["motion"] = np.concatenate([IDENTITY, IDENTITY])[None].astype(np.float32)
    return packet


def pack_head(
    head: GaussianHead,
    capture: Capture,
    edited: GaussianHead | None = None,
    motion: Motion | None = None,
    frames: int = 50,
    components: int = 24,
    limit: int = 2_000_000,
    sliders: tuple[str, ...] = tuple(SLIDERS),
    alt: str = "",
    caption: str = "",
    fps: float = FPS,
    art: ArtLook | None = None,
) -> Packet:
    """A head (and its edited twin) with up to `frames` frames of a motion (default: its own clip)
    and expression sliders.

    `components` of the motion are kept and rounded as finely as `limit` bytes (gzipped) allow. The
    edited head moves as the head does. art: styles that the browser offers for the head. Raises
    ValueError if it is not a twin of the head (another
    number of points), if there are too many components, or if the coarsest rounding is too large.
    """
    if edited is not None and len(edited.xyz) != len(head.xyz):
        points = f"the edited head has {len(edited.xyz)} Gaussians, the head {len(head.xyz)}"
        raise RequestError(f"{points}: they are not of one run")
    if components + len(sliders) > MAX_COMPONENTS:
        wanted = f"{components} components and {len(sliders)} sliders"
        raise RequestError(f"{wanted}: the viewer holds {MAX_COMPONENTS} together")
    motion = motion or own_motion(capture)
    index = clip_frames(len(motion), frames)
    twins = _Twins.of(head, edited, capture)
    packet = twins.rest_scene(alt, caption).packet()
    packet.arrays["motion"] = _rigid_motion(capture, motion, index)
    if art is not None:
        add_art(packet, art, twins.order)
    _add_basis(packet, twins.basis(motion, index, sliders, components), limit)
    kept = min(components, len(index))
    packet.header["clip"] = {"frames": len(index), "fps": fps, "components": kept}
    packet.header["sliders"] = [
        {"name": s, "low": SLIDERS[s].low, "high": SLIDERS[s].high} for s in sliders
    ]
    packet.header["posable"] = True
    return packet


@dataclass(frozen=True)
class _Twins:
    """A head, and its edited twin where there is one, around the neutral frame of a capture.

    `order` (N,): points that obey the expression first, so that the sliders' rows end early.
    """

    heads: list[GaussianHead]
    capture: Capture
    order: Tensor

    @staticmethod
    def of(head: GaussianHead, edited: GaussianHead | None, capture: Capture) -> "_Twins":
        order = head.share.argsort(descending=True, stable=True)
        return _Twins([head] if edited is None else [head, edited], capture, order)

    @torch.no_grad()
    def looks(self, beta: Tensor, pose: Tensor, lattice: Tensor | None) -> list[Gaussians]:
        """Canonical Gaussians of each head for an expression (64,), a pose (6,) and a lattice."""
        return [h.swing(h.canonical(beta, pose), lattice).select(self.order) for h in self.heads]

    def rest(self) -> list[Gaussians]:
        """Canonical Gaussians of each head in the neutral frame."""
        neutral = self.capture.frame_pose(self.capture.neutral)
        return self.looks(neutral.beta, neutral.pose, neutral.lattice)

    def rest_scene(self, alt: str, caption: str) -> RestScene:
        """The neutral frame, in canonical space."""
        head, capture = self.heads[0], self.capture
        distance = nearest(head.places[self.order], landmark_set(capture))[0][:, 0]
        return RestScene(
            looks=self.rest(),
            camera=capture.camera,
            pivot=capture.head_centre(capture.neutral),
            follow=head.follow_logits.detach().sigmoid()[self.order],
            distance=distance,
            scale=float(capture.scale),
            alt=alt,
            caption=caption,
        )

    @torch.no_grad()
    def basis(
        self, motion: Motion, index: np.ndarray, sliders: tuple[str, ...], components: int
    ) -> MotionBasis:
        """What changes since the neutral frame in the frames `index` of a motion, and with each
        slider.
        """
        neutral = self.capture.frame_pose(self.capture.neutral)
        rest = attributes(self.rest())

        def change(frame: FramePose) -> Attributes:
            now = attributes(self.looks(frame.beta, frame.pose, frame.lattice))
            return {name: value - rest[name] for name, value in now.items()}

        moments = [change(motion.frame(t, neutral)) for t in index]
        face = self.capture.face()
        steps = [slider_step(name, face) for name in sliders]
        pushed = [change(replace(neutral, beta=neutral.beta + step)) for step in steps]
        return MotionBasis.fit(moments, pushed, components, tolerances(len(self.heads)))


def _add_basis(packet: Packet, basis: MotionBasis, limit: int) -> None:
    """Add the basis to a packet, in the finest of ROUNDINGS whose gzipped bytes stay below
    `limit`.
    """
    for rounding in ROUNDINGS:
        quantized = basis.quantize(rounding)
        packet.header["components"] = quantized.components
        packet.header["rounding"] = rounding
        packet.arrays |= quantized.arrays
        size = len(gzip.compress(packet.bytes(), GZIP_LEVEL))
        if size <= limit:
            return
    raise RequestError(
        f"{size / 1e6:.1f} MB at the coarsest rounding, more than {limit / 1e6:.1f}: "
        "give fewer frames or a larger limit"
    )


def _rigid_motion(capture: Capture, motion: Motion, index: np.ndarray) -> np.ndarray:
    """(F, 32): the head's scaled rotation 9, translation 3, quaternion 4; the chest's likewise."""
    rows = [rigid_row(capture, motion.pose[t], motion.torso[t]) for t in index]
    return torch.stack(rows).numpy().astype(np.float32)


def rigid_row(capture: Capture, pose: Tensor, torso: Tensor) -> Tensor:
    """The same (32,) for one pose (6,) and chest (6,)."""
    S, rest = capture.scale, capture.rest
    R_rest, q_rest = so3_exp(rest[:3]), axis_angle_to_quat(rest[:3])
    R_torso = so3_exp(torso[:3])
    head = [(S * so3_exp(pose[:3])).flatten(), pose[3:], axis_angle_to_quat(pose[:3])]
    chest = [
        (S * R_torso @ R_rest).flatten(),
        R_torso @ rest[3:] + torso[3:],
        quat_multiply(axis_angle_to_quat(torso[:3]), q_rest),
    ]
    return torch.cat(head + chest)
