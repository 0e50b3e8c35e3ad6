"""Tiny-orbit views: `V3DViews` with the weights that come with the kit."""

from stkit.diffusion.orbit import GUIDANCE, SIZE, WEIGHTS
from stkit.diffusion.v3d import V3DViews
from stkit.progress import hide_loading_bars


def tiny_orbit_views(device: str = "auto") -> V3DViews:
    """The kit's small orbit model, a stand-in for V3D. `device` as of `V3DViews`."""
    hide_loading_bars()
    return V3DViews(
        str(WEIGHTS),
        size=SIZE,
        guidance=GUIDANCE,
        source=f"tiny orbit (stand-in for V3D: {SIZE} px, trained on made-up heads)",
        stand_in="the kit's tiny orbit model instead of V3D",
        device=device,
    )
