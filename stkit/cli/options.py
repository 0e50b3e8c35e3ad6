"""Texts that several commands share."""

CLOWN = "turn him into a clown"
PROFILE_HELP = (
    "quick: minutes; laptop: under 20 min; paper: one GPU (default: STKIT_PROFILE or quick)"
)
EDITOR_HELP = (
    "'paint' (rules) or 'tiny' (a small diffusion model), stand-ins that come with the kit, or "
    "an InstructPix2Pix folder or hub id (default: paint)"
)
