"""Providers of novel views of the neutral frame, by name.

A new one is one new file and one line in the table.

V3D is the paper's. Its six frontal cameras are its frames {1, 2, 3, 15, 16, 17}: +-20, +-40, +-60
degrees (lineage.md 7, reading 18).
"""

from collections.abc import Callable

from stkit.diffusion.mesh_prior import MeshPriorViews
from stkit.diffusion.orbit.views import tiny_orbit_views
from stkit.diffusion.protocols import ViewProvider
from stkit.diffusion.v3d import V3DViews

# name to what makes the provider for a device; any other name is a pipeline's folder or hub id
PROVIDERS: dict[str, Callable[[str], ViewProvider]] = {
    "mesh-prior": lambda device: MeshPriorViews(),
    "tiny-orbit": tiny_orbit_views,
}
STAND_INS = tuple(PROVIDERS)  # those that come with the kit take the place of V3D


def get_views(name: str = "mesh-prior", device: str = "auto") -> ViewProvider:
    """A provider of views by its name, or V3D by a pipeline's folder or hub id.

    'mesh-prior' and 'tiny-orbit' are stand-ins; a pipeline is of Stable Video Diffusion's class.

    `device`: where a network runs, 'cpu', 'cuda', or 'auto' for CUDA where torch sees it. Raises
    FileNotFoundError with the remedy if weights cannot be loaded.
    """
    if name in PROVIDERS:
        return PROVIDERS[name](device)
    return V3DViews(name, device=device)
