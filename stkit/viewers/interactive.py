"""Interactive outputs of a notebook, each with a picture for readers without a kernel."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from stkit.io.images import png
from stkit.progress import silent

# Okabe and Ito: told apart by colour-blind people
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LAYOUT: dict[str, Any] = {
    "template": "simple_white",
    "height": 380,
    "width": 640,
    "margin": {"l": 55, "r": 10, "t": 30, "b": 45},
}


def mime_bundle(widget: Any) -> dict[str, Any]:
    """What a widget (ipywidgets, plotly) displays, by MIME type."""
    bundle = widget._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def show_interactive(create: Callable[[], Any], poster: np.ndarray, alt: str) -> None:
    """Display a widget, made by `create()`, with the picture `poster` (H, W, 3) for readers without
    a kernel; the picture alone where nobody looks.
    """
    from IPython.display import display

    bundle = {} if silent() else mime_bundle(create())
    picture = base64.b64encode(png(poster)).decode()
    display(
        {**bundle, "image/png": picture, "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
