"""What a packet holds so that browsers draw a head in art styles; src/art_pass.js reads it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stkit.art.art_style import REGIONS, ArtStyle, Colours
from stkit.art.styled_head import Drawing, StylableHead
from stkit.art.transport import covariance_of, transport_matrix
from stkit.viewers.packet import Packet
from stkit.viewers.rest_packet import MAX_INT8, MAX_UINT8


@dataclass(frozen=True)
class ArtLook:
    """A head that can be styled, the styles that the browser offers, and the one that it shows
    first, None: none.
    """

    head: StylableHead
    styles: tuple[ArtStyle, ...]
    first: Drawing | None = None


def add_art(packet: Packet, look: ArtLook, order: Tensor) -> None:
    """Add the styles to a packet whose Gaussians are in an order (N,)."""
    head = look.head
    packet.arrays["normals"] = (MAX_INT8 * head.normals[order]).round().char().numpy()
    packet.arrays["regions"] = (MAX_UINT8 * head.regions[order]).round().byte().numpy()
    pushes = {s.name: head.proportions(Drawing(s, 1.0))[order] for s in look.styles}
    moving = {name: x for name, x in pushes.items() if bool(x.any())}
    step = max([float(x.abs().max()) for x in moving.values()] + [1e-6]) / MAX_INT8
    for name, moved in moving.items():
        packet.arrays[f"push_{name}"] = (moved / step).round().char().numpy()
    own = [head.own.get(region) for region in REGIONS]
    packet.header["art"] = {
        "own": [c and _colours(c) for c in own],
        "styles": [_style(s, own) for s in look.styles],
        "pushStep": step,
    }
    if look.first is not None:
        first = look.first
        state = {"degree": first.degree, "transfer": first.color_transfer}
        packet.header["state"] = {"style": first.style.name, **state}


def _colours(colours: Colours) -> dict[str, list[float]]:
    return {
        "mean": list(colours.mean),
        "covariance": covariance_of(colours).flatten().tolist(),
    }


def _style(style: ArtStyle, own: list[Colours | None]) -> dict[str, Any]:
    """A style as the browser takes it; the matrix of a region carries the head's own colours."""
    regions: list[dict | None] = []
    for region, mine in zip(REGIONS, own):
        target = style.colours.get(region)
        if mine is None or target is None:
            regions.append(None)
            continue
        matrix = transport_matrix(covariance_of(mine), covariance_of(target))
        regions.append(_colours(target) | {"matrix": torch.flatten(matrix).tolist()})
    return {
        "name": style.name,
        "tones": style.tones,
        "ink": style.ink,
        "inkWidth": style.ink_width,
        "inkColour": list(style.ink_colour),
        "detail": style.detail,
        "pattern": style.pattern,
        "period": style.period,
        "depth": style.depth,
        "regions": regions,
    }
