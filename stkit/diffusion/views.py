"""Novel views of the neutral frame. V3D is the paper's provider; mesh-prior views are the kit's stand-in, same interface.

The six frontal cameras are V3D's frames {1, 2, 3, 15, 16, 17}: +-20, +-40, +-60 degrees (lineage.md 7, reading 18).
"""

from stkit.diffusion.mesh_prior import mesh_prior_views
from stkit.diffusion.protocols import ViewProvider

STAND_INS = ("mesh-prior", "tiny-orbit")


def get_views(name: str = "mesh-prior") -> ViewProvider:
    """'mesh-prior' or 'tiny-orbit' (stand-ins), or V3D by the folder or id of a Stable Video Diffusion pipeline."""
    if name == "mesh-prior":
        return mesh_prior_views
    from stkit.diffusion.v3d import V3DViews

    if name == "tiny-orbit":
        import diffusers
        import transformers

        from stkit.diffusion.orbit import GUIDANCE, SIZE, WEIGHTS

        for library in (diffusers, transformers):
            library.utils.logging.disable_progress_bar()  # it loads in a second
        return V3DViews(
            str(WEIGHTS),
            size=SIZE,
            guidance=GUIDANCE,
            source=f"tiny orbit (stand-in for V3D: {SIZE} px, trained on made-up heads)",
        )
    return V3DViews(name)
