"""The studio in a notebook: write a sentence, and the 3D head answers within about a second."""

import numpy as np

from stkit.capture.capture import Capture
from stkit.diffusion.protocols import Editor
from stkit.editing.preview import STRONG
from stkit.editing.settings import EditSettings
from stkit.heads.gaussian import GaussianHead
from stkit.viewers.answering import AnsweringViewer
from stkit.viewers.packet import Packet
from stkit.viewers.packing import pack_head
from stkit.viewers.splats import SplatViewer
from stkit.viewers.studio_session import StudioSession
from stkit.views import Views

ALT = "A head of 3D Gaussians with a line to write an edit in; left of the wipe it is unedited."


def studio_packet(head: GaussianHead, capture: Capture, editor: Editor) -> Packet:
    """The head beside itself, with the controls of a studio."""
    caption = f"Edits by {editor.name}; changes of shape by sculpted targets."
    packet = pack_head(head, capture, head, alt=ALT, caption=caption)
    packet.header["looks"] = ["before", "after"]
    packet.header["studio"] = True
    packet.header["state"] = {"playing": False, "wipe": 0.0, "b": STRONG}
    return packet


class Studio(AnsweringViewer):
    """`Studio(head, capture, views, editor)`: a sentence, b, alpha and boundary, a preview at
    Enter, undo, before and after by the wipe, and `keep`: the full optimisation goes on in the
    background.

    settings: of that optimisation (default: `EditSettings`'s). `session.steps[-1].head` is the head
    as it stands.
    """

    def __init__(
        self,
        head: GaussianHead,
        capture: Capture,
        views: Views | None,
        editor: Editor,
        settings: EditSettings | None = None,
    ):
        self.session = StudioSession(head, capture, views, editor, settings or EditSettings(""))
        packet = studio_packet(head, capture, editor)
        super().__init__(packet, self.session)

    def poster(self) -> np.ndarray:
        """The head as it stands (H, W, 3) uint8, in the neutral frame."""
        step = self.session.steps[-1]
        return SplatViewer(step.head, step.capture).poster()
