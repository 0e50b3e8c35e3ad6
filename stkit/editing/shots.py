"""The training images of the edit stage: what is edited, and what the head must come to look
like.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture import Capture
from stkit.capture.rig import Rig
from stkit.heads.gaussian import GaussianHead
from stkit.space import FramePose, to_world
from stkit.views import Views


@dataclass
class Shot:
    """One training image: its camera, what the head does in it, the unedited truth and the edited
    target (H, W, 3).

    b is the strength of the target's edit: 0 before the first.
    """

    name: str
    camera: Camera
    frame: FramePose
    original: Tensor
    target: Tensor
    b: float = 0.0

    def to(self, device: torch.device | str) -> "Shot":
        """The shot with its tensors on another device."""
        moved = {
            f.name: getattr(self, f.name).to(device)
            for f in fields(self)
            if f.name not in ("name", "b")
        }
        return replace(self, **moved)


def make_shots(
    capture: Capture,
    views: Views | None,
    frames: list[int],
    count: int,
    rig: Rig | None = None,
) -> list[Shot]:
    """The views at the neutral frame, and `count` video frames spread evenly over `frames` (reading
    20). With a rig, as many of its pictures as there are video frames, from one camera after the
    other.
    """
    shots = []
    if views is not None:
        neutral = capture.frame_pose(capture.neutral)
        for camera, image, azimuth in zip(views.cameras, views.images, views.azimuths):
            shots.append(Shot(f"view {azimuth:+.0f} deg", camera, neutral, image, image))
    for k in torch.linspace(0, len(frames) - 1, min(count, len(frames))).round().long().tolist():
        t = frames[k]
        image = capture.image(t)
        shots.append(Shot(f"frame {t}", capture.camera, capture.frame_pose(t), image, image))
    return shots + (_rig_shots(capture, rig, count) if rig else [])


def _rig_shots(capture: Capture, rig: Rig, count: int) -> list[Shot]:
    shots = []
    for k in range(count):
        i, v = k % len(rig.frames), k % len(rig.cameras)
        t, camera = rig.frames[i], rig.cameras[v].to(capture.device)
        image = rig.shot(i, v)[0].to(capture.device)
        name = f"frame {t}, camera {rig.names[v]}"
        shots.append(Shot(name, camera, capture.frame_pose(t), image, image))
    return shots


@torch.no_grad()
def shot_landmarks(head: GaussianHead, shot: Shot) -> Tensor:
    """The 66 landmarks (66, 2) in the shot's pixels, from the head itself."""
    on_face = torch.ones_like(head.landmarks[:, 0])
    shift = head.deformation(head.landmarks, on_face, shot.frame.beta, shot.frame.pose)
    if len(head.moved_landmarks):
        shift = shift + head.moved_landmarks
    return shot.camera.project(to_world(head.landmarks + shift, shot.frame))


@torch.no_grad()
def rendered(head: GaussianHead, shots: list[Shot]) -> list[Shot]:
    """The shots with a head's renders in the place of their pictures."""
    pictures = [head.render(shot.camera, shot.frame)[0].clamp(0, 1) for shot in shots]
    return [replace(shot, original=x, target=x) for shot, x in zip(shots, pictures)]
