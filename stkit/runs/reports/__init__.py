"""What each stage shows of itself on the run's page: numbers, pictures and clips with alt text and
captions.
"""

from stkit.runs.reports.animation import Performers, Words, animation
from stkit.runs.reports.art import art
from stkit.runs.reports.edit import EditRequest, edit
from stkit.runs.reports.gaussians import gaussians
from stkit.runs.reports.mesh import mesh
from stkit.runs.reports.tracking import model_picture, tracking
from stkit.runs.reports.weights import weights

__all__ = [
    "EditRequest",
    "Performers",
    "Words",
    "animation",
    "art",
    "edit",
    "gaussians",
    "mesh",
    "model_picture",
    "tracking",
    "weights",
]
