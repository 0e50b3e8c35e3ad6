"""Short runs of the three training stages at 256 px, and how long one of their steps takes."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np

from stkit.capture.preprocess import PreprocessSettings
from stkit.diffusion.editors import get_editor
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.heads.fit_gaussians import fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.runs.profiles import get_profile
from stkit.runs.source import Source
from stkit.runs.stages import track

GAUSSIANS = 20_000
PAPER_STEPS = {"mesh": 10_000, "gaussians": 2_000, "edit": 20_000}
NEVER = 10**6  # steps between two edits, or refreshes: more than there are
SETTLING = 3  # steps at the start that are not timed


@cache
def clip():
    """A short synthetic clip, tracked: what the steps are measured on."""
    settings = PreprocessSettings(size=256, max_frames=10, fit_steps=40, refine_steps=20)
    return track(Source.parse("synthetic"), settings)[0]


class Stages:
    """The stages with the laptop profile and a profile's nets, to be run in order.

    Each is a function of a progress bar, and takes what the one before made.
    """

    def __init__(self, nets: str = "laptop"):
        chosen = get_profile(nets).mesh.model
        self.widths = {
            "width": chosen.width,
            "pose_width": chosen.pose_width,
            "feature": chosen.feature,
        }
        self.laptop = get_profile("laptop")
        self.capture = clip()
        self.frames = self.capture.split()[0]

    def mesh(self, progress) -> None:
        """Fit the mesh head."""
        model = replace(self.laptop.mesh.model, **self.widths)
        settings = replace(self.laptop.mesh, steps=16, warm_steps=2, refine_at=0.0, model=model)
        self.mesh_head = fit_mesh(self.capture, settings, self.frames, progress=progress)[0]

    def gaussians(self, progress) -> None:
        """Fit the Gaussian head to the mesh head."""
        laptop = self.laptop.gaussians
        surface_points = GAUSSIANS - laptop.model.face_points
        model = replace(laptop.model, surface_points=surface_points, **self.widths)
        settings = replace(laptop, steps=40, track_steps=0, track_from=0.0, model=model)
        self.head = fit_gaussians(
            self.capture, self.mesh_head, None, settings, self.frames, progress=progress
        )[0]

    def edit(self, progress) -> None:
        """Edit the Gaussian head; the pictures are edited once, at the start."""
        settings = EditSettings(
            "turn her into a clown", steps=30, frames=2, edit_every=NEVER, refresh_every=NEVER
        )
        editor = get_editor("paint")
        edit_head(self.head, self.capture, None, editor, settings, self.frames, progress=progress)

    def in_order(self) -> dict[str, Callable]:
        """The stages by the names of PAPER_STEPS."""
        return {"mesh": self.mesh, "gaussians": self.gaussians, "edit": self.edit}


class Clock:
    """A progress bar that notes when each step begins."""

    def __init__(self):
        self.marks: list[list[float]] = []

    def __call__(self, items: Iterable, **_) -> Iterator:
        """The items; the time before each, and after the last, is noted."""
        self.marks.append([])
        for item in items:
            self.marks[-1].append(time.perf_counter())
            yield item
        self.marks[-1].append(time.perf_counter())

    def median(self) -> float:
        """Milliseconds a step of the longest loop, its first steps left out."""
        return 1e3 * float(np.median(np.diff(max(self.marks, key=len))[SETTLING:]))


def training_steps() -> dict[str, float]:
    """Milliseconds of a step of each stage, and the hours of the paper's schedule at this speed."""
    lines: dict[str, float] = {}
    for nets, prefix in (("laptop", ""), ("paper", "paper_nets_")):
        hours = 0.0
        stages = Stages(nets)
        for name, run in stages.in_order().items():
            clock = Clock()
            run(clock)
            lines[f"{prefix}step_ms_{name}"] = clock.median()
            hours += PAPER_STEPS[name] * clock.median() / 3.6e6
        lines["step_gaussians"] = len(stages.head.xyz)
        lines[f"{prefix or 'paper_'}schedule_hours"] = hours
    return lines
