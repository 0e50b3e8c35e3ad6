"""Before and after: two pictures with a wipe between them, or two films in step."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stkit.errors import RequestError
from stkit.io.images import jpeg, png, sheet, u8
from stkit.viewers.packet import Packet
from stkit.viewers.viewer import Viewer

Pictures = Sequence[Any] | np.ndarray  # one picture (H, W, 3), or several


class Compare(Viewer):
    """Before and after with a wipe; lists of pictures (H, W, 3), float in [0, 1] or uint8, add a
    frame scrubber; `fps` a Play button.

    `beside` names further lists of as many pictures, shown at the left and in step: a driver, its
    tracked mesh. Pictures that play are kept as JPEG, single ones as PNG. ValueError where numbers
    of pictures do not fit together or `alt` is empty.
    """

    def __init__(
        self,
        before: Pictures,
        after: Pictures,
        labels: tuple[str, str] = ("before", "after"),
        frames: list[int] | None = None,
        alt: str = "",
        caption: str = "",
        width: int = 420,
        beside: dict[str, Sequence] | None = None,
        fps: float | None = None,
    ):
        if not alt.strip():
            raise RequestError("Compare: say in alt what the two pictures show")
        rows = {f"beside{k}_": list(v) for k, v in enumerate((beside or {}).values())}
        several = isinstance(before, (list, tuple)) or getattr(before, "ndim", 3) == 4
        rows["before"] = list(before) if several else [before]
        rows["after"] = list(after) if several else [after]
        count = _common_count(rows, frames)
        height = u8(rows["before"][0]).shape[0]
        self.first = sheet([[row[0] for row in rows.values()]], height=height)
        header = {
            "kind": "compare",
            "looks": list(labels),
            "beside": list(beside or {}),
            "alt": alt,
            "caption": caption,
            "width": width,
            "fps": fps,
            "frames": frames or list(range(count)),
            "type": "image/png" if fps is None else "image/jpeg",
        }
        encode = png if fps is None else jpeg
        arrays = {
            f"{name}{k}": np.frombuffer(encode(picture), np.uint8)
            for name, row in rows.items()
            for k, picture in enumerate(row)
        }
        super().__init__(Packet(header, arrays))

    def poster(self) -> np.ndarray:
        """The first frame's pictures, side by side."""
        return self.first


def _common_count(rows: dict[str, list], frames: list[int] | None) -> int:
    """The number of pictures in every row. ValueError where numbers differ, or no picture was
    given.
    """
    counts = [len(row) for row in rows.values()]
    fit = counts[0] > 0 and len(set(counts)) == 1 and len(frames or range(counts[0])) == counts[0]
    if not fit:
        numbers = ", ".join(str(count) for count in counts)
        raise RequestError(
            f"Compare: {numbers} pictures and {len(frames or [])} frame numbers do not fit together"
        )
    return counts[0]
