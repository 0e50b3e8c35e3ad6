"""Live Link Face over the network: one UDP packet a frame, from an iPhone in the same network.

A packet is: version (4 bytes), the device's id (37), the length of its name (int), the name, frame
number, sub-frame, rate's numerator and denominator (int, float, int, int), a count (byte) and so
many floats, all big-endian but the version: 52 actions, then the turns of the head and of both
eyes. From public decoders of the app's stream; tried with packets of our own, not with a telephone.
"""

import socket
import struct
import threading
from dataclasses import dataclass

import torch
from torch import Tensor

from stkit.capture.live import LiveFrame
from stkit.driving.arkit import arkit_names
from stkit.driving.live_link import COUNT
from stkit.errors import RequestError
from stkit.face_models.seated import BETAS
from stkit.geometry import euler_yxz

PORT = 11111  # the app's default
NAME_AT = 41  # bytes before the length of the device's name
CLOCK = 16  # bytes of frame number, sub-frame and rate
LARGEST = 2048  # bytes of a packet
# the 52 actions as the app counts them
SIDES = ("Left", "Right")
EYES = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
ACTIONS = (
    *(f"eye{name}{side}" for side in SIDES for name in EYES),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *(f"mouth{n}{side}" for n in ("Smile", "Frown", "Dimple", "Stretch") for side in SIDES),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *(f"mouth{n}{side}" for n in ("Press", "LowerDown", "UpperUp") for side in SIDES),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"),
    "tongueOut",
)


def decode(packet: bytes) -> LiveFrame:
    """The frame of a packet; its pose has a turn and no place. RequestError where it is none."""
    try:
        (length,) = struct.unpack_from(">i", packet, NAME_AT)
        start = NAME_AT + 4 + length + CLOCK
        count = packet[start] if 0 <= length < LARGEST else 0
        if count != COUNT:
            raise RequestError(f"no packet of Live Link Face: {count} values instead of {COUNT}")
        values = torch.tensor(struct.unpack_from(f">{COUNT}f", packet, start + 1))
    except (struct.error, IndexError) as e:
        raise RequestError(f"this is no packet of Live Link Face: {e}") from e
    if not torch.isfinite(values).all():
        raise RequestError("a packet of Live Link Face has a value that is not finite")
    turn = euler_yxz(*values[52:55].clamp(-2, 2))
    return LiveFrame(_beta(values), torch.cat([turn, torch.zeros(3)]))


def encode(frame: LiveFrame, turn: Tensor, name: str = "stkit") -> bytes:
    """A packet of a frame with yaw, pitch and roll (3,) in radians, for tests and rehearsals."""
    order = list(arkit_names())
    values = [float(frame.beta[order.index(action)]) for action in ACTIONS]
    values += turn.tolist() + [0.0] * 6
    head = struct.pack("<i", 6) + b"$" + b"0" * 36 + struct.pack(">i", len(name)) + name.encode()
    return head + struct.pack(">ifii", 0, 0.0, 60, 1) + struct.pack(f">B{COUNT}f", COUNT, *values)


def _beta(values: Tensor) -> Tensor:
    names = list(arkit_names())
    beta = torch.zeros(BETAS)
    beta[[names.index(action) for action in ACTIONS]] = values[: len(ACTIONS)].clamp(0, 1)
    return beta


@dataclass
class Received:
    """The newest frame, and how many came."""

    frame: LiveFrame | None = None
    count: int = 0


class LiveLinkListener:
    """Listens on a UDP port in the background; `received.frame` is the newest."""

    def __init__(self, port: int = PORT, host: str = "0.0.0.0"):
        self.received = Received()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self._open = True
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while self._open:
            try:
                frame = decode(self.socket.recv(LARGEST))
            except (TimeoutError, RequestError):
                continue  # anybody may send anything to an open port
            except OSError:
                return
            self.received.frame = frame
            self.received.count += 1

    def close(self) -> None:
        """Stop listening."""
        self._open = False
        self._thread.join()
        self.socket.close()
