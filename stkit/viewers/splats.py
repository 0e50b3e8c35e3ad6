"""The viewer of Gaussians: a head that speaks, or still Gaussians."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from stkit.art.styled_head import Drawing
from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.errors import RequestError
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import u8
from stkit.render.gaussians import Gaussians
from stkit.viewers.art_packing import ArtLook
from stkit.viewers.browser_twin import browser_gaussians
from stkit.viewers.packet import Packet
from stkit.viewers.packing import pack_gaussians, pack_head
from stkit.viewers.viewer import Viewer

ALT = "A head of 3D Gaussians that can be turned."


class SplatViewer(Viewer):
    """Gaussians to turn, play and weigh. Give a head and its capture (and an edited twin), or still
    Gaussians.

    SplatViewer(head, capture, edited=None, motion=None, frames=50) or SplatViewer(gaussians,
    camera=camera, distance=None, edited=None). Sliders and playback run in the browser on a linear
    basis (see `packing.pack_head`), which `render` draws in Python.
    """

    def __init__(
        self,
        what: GaussianHead | Gaussians,
        capture: Capture | None = None,
        edited: GaussianHead | Gaussians | None = None,
        camera: Camera | None = None,
        distance: Tensor | None = None,
        alt: str = ALT,
        caption: str = "",
        state: dict[str, Any] | None = None,
        **options: Any,
    ):
        if isinstance(what, GaussianHead):
            packet = _pack_head(what, capture, edited, alt=alt, caption=caption, **options)
        else:
            packet = _pack_gaussians(what, camera, distance, edited, alt)
        self._art: ArtLook | None = options.get("art")
        first = packet.header.get("state", {})
        super().__init__(packet, **(first | (state or {})))

    def render(self, size: int | None = None, look: int = 0) -> Tensor:
        """This view (H, W, 3) by the Python renderer, from the Gaussians the browser has: current
        frame, sliders and head pose.
        """
        state = self.state
        frame = int(state.get("frame", 0))
        with torch.no_grad():
            g = browser_gaussians(self.packet, frame, look, state.get("sliders"), state.get("pose"))
            return g.render(self.view(size))[0].clamp(0, 1)

    def poster(self) -> np.ndarray:
        """The state's frame (H, W, 3); with two looks, one left of the wipe and the other right of
        it. In an art style: the neutral frame, drawn by Python.
        """
        if self._art and self._art.first:
            return self._drawn(self._art, self._art.first)
        first = self.render(look=0)
        if len(self.packet.header["looks"]) == 1:
            return u8(first)
        cut = round(self.state.get("wipe", 0.5) * first.shape[1])
        return u8(torch.cat([first[:, :cut], self.render(look=1)[:, cut:]], 1))

    def _drawn(self, art: ArtLook, drawing: Drawing) -> np.ndarray:
        capture = art.head.capture
        neutral = capture.frame_pose(capture.neutral)
        return u8(art.head.draw(self.view(None), neutral, drawing))


def _pack_head(head: GaussianHead, capture: Capture | None, edited: Any, **options: Any) -> Packet:
    if capture is None:
        raise RequestError(
            "SplatViewer(head, capture): a head needs the capture that says how it stands and moves"
        )
    return pack_head(head, capture, edited, **options)


def _pack_gaussians(
    g: Gaussians, camera: Camera | None, distance: Tensor | None, edited: Any, alt: str
) -> Packet:
    if camera is None:
        raise RequestError(
            "SplatViewer(gaussians, camera=...): still Gaussians need a camera to start from"
        )
    return pack_gaussians(g, camera, distance, edited, alt)
