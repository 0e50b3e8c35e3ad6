"""A head that somebody else made: Gaussians without networks, which can be looked at, weighed by
Eq. 8 and edited, but not moved.

Such a file says neither which way the face looks nor how large the head is. MediaPipe is asked in
renderings from all sides; what it finds is lifted into space by the depth of the Gaussians and laid
over the built-in head's landmarks.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn.functional import grid_sample

from stkit import face_models
from stkit.cameras import Camera, front_camera, orbit_camera
from stkit.capture.detect import still_landmarks
from stkit.diffusion.protocols import Editor
from stkit.editing.settings import EditSettings
from stkit.editing.weights import share, weight
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66
from stkit.geometry import generator, nearest, umeyama
from stkit.io.images import u8
from stkit.render.gaussians import Gaussians
from stkit.training import cosine

SIZE = 256  # pixels of the pictures in which faces are looked for, and which are edited
RADIUS = 1.5  # decimetres within which nine tenths of a head's Gaussians are brought first
SOLID = 0.5  # alpha from which on a landmark lies on the head
FEWEST = 30  # landmarks that must lie on it
AZIMUTHS = (0.0, -25.0, 25.0, -45.0, 45.0)  # degrees: views that are edited
STEPS, RATE, LAST_RATE = 150, 0.05, 0.1  # of Adam on the colours; the last as a share of the first
HOLD = 0.3  # how strongly what Eq. 8 gives no weight is held where it was
LEAST_WEIGHT = 0.1  # Gaussians of less keep their colours
MARGIN = 1e-3  # keeps colours' logits finite


@dataclass(frozen=True)
class StaticHead:
    """Gaussians (colours in [0, 1]) and landmarks (66, 3) where the built-in head is: decimetres,
    y up, the face towards +z.
    """

    gaussians: Gaussians
    landmarks: Tensor

    def weights(self, alpha: float) -> Tensor:
        """w (N,) of every Gaussian, Eq. 8."""
        return weight(nearest(self.gaussians.means, self.landmarks)[0][:, 0], alpha)

    def cameras(self, size: int = SIZE) -> list[Camera]:
        """Cameras around the head at `AZIMUTHS`."""
        return [orbit_camera(front_camera(size), angle) for angle in AZIMUTHS]


@torch.no_grad()
def static_head(gaussians: Gaussians) -> StaticHead:
    """Gaussians laid where the built-in head is. Raises RequestError where no face is seen from
    any side.
    """
    placed = _turned_to_the_camera(_brought_near(gaussians.detach()))
    face = face_models.builtin()
    marks = face.mean[face.landmarks[KEPT_66]]
    for _ in range(2):
        found, there = _lifted_landmarks(placed)
        R, T, s = umeyama(found[there], marks[there])
        placed = placed.moved(R, T, float(s))
    found, there = _lifted_landmarks(placed)
    return StaticHead(placed, torch.where(there[:, None], found, marks))


def _brought_near(g: Gaussians) -> Gaussians:
    """Gaussians around the origin, at about a head's size."""
    solid = g.opacities > SOLID if (g.opacities > SOLID).any() else g.opacities >= 0
    centre = g.means[solid].median(0).values
    moved = replace(g, means=g.means - centre)
    radius = float(moved.means[solid].norm(dim=1).quantile(0.9))
    return moved.moved(torch.eye(3), torch.zeros(3), RADIUS / max(radius, 1e-9))


def _turned_to_the_camera(g: Gaussians) -> Gaussians:
    """The one of 24 turns by right angles in which MediaPipe sees the largest face."""
    turns = torch.from_numpy(Rotation.create_group("O").as_matrix()).float()
    ways = [g.moved(R, torch.zeros(3)) for R in turns]
    pictures = [u8(way.render(front_camera(SIZE))[0].clamp(0, 1)) for way in ways]
    found = still_landmarks(pictures)
    sizes = [0.0 if marks is None else float(np.ptp(marks, 0).max()) for marks in found]
    if not any(sizes):
        raise RequestError("no face is seen in these Gaussians from any side")
    return ways[int(np.argmax(sizes))]


def _lifted_landmarks(g: Gaussians) -> tuple[Tensor, Tensor]:
    """Landmarks (66, 3) in space, and which of them (66,) lie on the head. Raises RequestError
    where the front shows no face.
    """
    camera = front_camera(SIZE)
    [marks] = still_landmarks([u8(g.render(camera)[0].clamp(0, 1))])
    if marks is None:
        raise RequestError("the face is lost when the head is seen from the front")
    pixels = torch.from_numpy(np.asarray(marks)).float()[KEPT_66]
    depth, alpha = g.depth(camera)
    where = (2 * pixels / SIZE - 1)[None, None]
    maps = torch.cat([depth, alpha], 2).permute(2, 0, 1)[None]
    z, solid = grid_sample(maps, where, align_corners=False)[0, :, 0]
    there = solid > SOLID
    if int(there.sum()) < FEWEST:
        raise RequestError(f"only {int(there.sum())} of 66 landmarks lie on the Gaussians")
    rays = (pixels - camera.K[:2, 2]) / camera.K[[0, 1], [0, 1]]
    seen = torch.cat([rays, torch.ones(len(rays), 1)], 1) * z[:, None]
    return (seen - camera.viewmat[:3, 3]) @ camera.viewmat[:3, :3], there


def edit_static(
    head: StaticHead, editor: Editor, settings: EditSettings, b: float = 0.7
) -> Gaussians:
    """The head's Gaussians with colours edited by a sentence, from five views at strength b under
    Eq. 8. Raises the editor's PromptError.
    """
    editor.check(settings.prompt)
    if editor.wants_depth:
        raise RequestError(f"{editor.name} edits all views together; take another editor")
    g, cameras = head.gaussians, head.cameras()
    counted = share(head.weights(settings.alpha), b, settings.b_boundary)
    noise = generator(settings.seed, "static")
    shots = []
    for camera in cameras:
        before = g.render(camera)[0].clamp(0, 1)
        marks = camera.project(head.landmarks)
        after = editor.edit(before, settings.prompt, b, before, noise, landmarks=marks)
        shots.append((camera, before, after, g.splat(counted[:, None], camera)))
    logits = g.colors.clamp(MARGIN, 1 - MARGIN).logit().requires_grad_()
    adam = torch.optim.Adam([logits], lr=RATE)
    for k in range(STEPS):
        adam.param_groups[0]["lr"] = RATE * cosine(k, STEPS, LAST_RATE)
        camera, before, after, w = shots[k % len(shots)]
        picture = replace(g, colors=logits.sigmoid()).render(camera)[0]
        held = HOLD * (1 - w)
        loss = (w * (picture - after).abs() + held * (picture - before).abs()).mean()
        adam.zero_grad()
        loss.backward()
        assert logits.grad is not None
        logits.grad[counted < LEAST_WEIGHT] = 0  # Adam would move them as far as the others
        adam.step()
    return replace(g, colors=logits.detach().sigmoid())
