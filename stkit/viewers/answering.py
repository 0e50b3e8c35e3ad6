"""Viewers whose controls ask Python, in a notebook; `page_server` is the same for a page."""

from typing import Any, Protocol

from stkit.viewers.packet import Packet
from stkit.viewers.viewer import Viewer


class Session(Protocol):
    """What answers a page's messages."""

    def answer(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """JSON and bytes for a message with a `kind`."""

    def end(self) -> None:
        """Give up what it holds."""


class AnsweringViewer(Viewer):
    """A viewer with a session that answers what its controls ask."""

    def __init__(self, packet: Packet, session: Session):
        super().__init__(packet, **packet.header["state"])
        self.on_msg(lambda _, message, buffers: self.reply(session, message))

    def reply(self, session: Session, message: dict[str, Any]) -> None:
        """Send the answer to a message; its `id` tells the browser which."""
        answer, data = session.answer(message)
        self.send(answer | {"id": message.get("id")}, buffers=[data])
