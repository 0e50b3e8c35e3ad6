"""Pages that Python answers: a small server for this machine alone, with a token like Jupyter's."""

import json
import secrets
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stkit.viewers.answering import Session
from stkit.viewers.packet import Packet
from stkit.viewers.page import served_page

HOST = "127.0.0.1"
LARGEST_MESSAGE = 100_000  # bytes
PATIENCE = 30  # seconds that a connection may say nothing
LENGTH_DIGITS = 8  # of a message's length, in decimal
LENGTH_BYTES = 4  # before the JSON of an answer


class PageServer(ThreadingHTTPServer):
    """Serves one session to whoever has the token; `url` is what to open. Answers one at a time."""

    daemon_threads = True

    def __init__(self, session: Session, packet: Packet, title: str, note: str, port: int = 0):
        super().__init__((HOST, port), _Handler)
        self.session, self.token = session, secrets.token_urlsafe(24)
        self.page = served_page(packet, title, note, self.token).encode()
        self.busy = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle of an answer is no fault; others are shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def own_names(self) -> tuple[str, ...]:
        """What a browser on this machine calls the server."""
        port = self.server_address[1]
        return f"{HOST}:{port}", f"localhost:{port}"

    @property
    def url(self) -> str:
        """The page's address with the token."""
        return f"http://{self.own_names[0]}/?token={self.token}"

    def answer(self, message: dict) -> bytes:
        """The answer's length, its JSON, and its bytes; see `Session`."""
        with self.busy:
            answer, data = self.session.answer(message)
        text = json.dumps(answer).encode()
        return len(text).to_bytes(LENGTH_BYTES, "little") + text + data


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        """The page, to those who have the token."""
        try:
            address = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        token = parse_qs(address.query).get("token", [""])[0]
        if address.path == "/" and self._allowed(token):
            self._send(self.server.page, "text/html; charset=utf-8")
        elif address.path == "/favicon.ico":
            self._send(b"", "image/x-icon")
        elif address.path != "/":
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """An answer to a message."""
        if not self._allowed(self.headers.get("X-Token", "")):
            return
        said = self.headers.get("Content-Length") or ""
        plain = said.isascii() and said.isdigit() and len(said) < LENGTH_DIGITS
        length = int(said) if plain else 0
        if self.path != "/ask" or not 0 < length <= LARGEST_MESSAGE:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            message = json.loads(self.rfile.read(length))
            kind = message["kind"]
        except (ValueError, TypeError, KeyError, RecursionError):
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        self._send(self.server.answer(message | {"kind": str(kind)}), "application/octet-stream")

    def _allowed(self, token: str) -> bool:
        """Whether the token is right and the page was not reached under another site's name."""
        right = secrets.compare_digest(token.encode(), self.server.token.encode())
        if right and self.headers.get("Host") in self.server.own_names:
            return True
        self.send_error(HTTPStatus.FORBIDDEN, "open the address that stkit printed")
        return False

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the address holds the token."""
