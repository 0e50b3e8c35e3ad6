"""Texts that several commands share."""

CLOWN = "turn her into a clown"
PROFILE_HELP = (
    "quick: minutes; laptop: under 20 min; paper: one GPU (default: STKIT_PROFILE or quick)"
)
EDITOR_HELP = (
    "'paint' (rules) or 'tiny' (a small diffusion model), stand-ins that come with the kit, or "
    "the folder or hub id of a pipeline: InstructPix2Pix, or Stable Diffusion with a depth "
    "ControlNet, joined by '+' (default: paint)"
)
