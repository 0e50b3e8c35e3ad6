"""Is identity lost by an edit's strength, or by how it is weighed? Compared at an equal change.

The paper says that E1 (b = 0.8 everywhere, unweighted) loses the identity. E1 also changes the face
more in the same number of steps, and whatever changes a face more moves its embedding further. So
each method is stopped as soon as it has changed the face by the same amount.
"""

import copy

from stkit.diffusion.editors import get_editor
from stkit.editing.loop import Edit
from stkit.editing.methods import get_method
from stkit.editing.shots import make_shots
from stkit.runs.road import Road
from stkit.runs.scores import edit_change
from stkit.runs.store import Artifact, Recipe, Work, results
from stkit.studies.edit_scores import identity_kept
from stkit.studies.reproduce.records import Numbers
from stkit.studies.reproduce.request import Request

TARGET, TOLERANCE = 0.20, 0.01  # mean change of colour where w >= 0.5
LOOK_EVERY, NEAR = 5, 0.75  # steps; share of the target from which on every step is looked at
PATIENCE = 8  # times the profile's own number of steps, after which a method is given up
MODULES = ("stkit.studies.reproduce.identity", "stkit.diffusion.editors")


def matched_identity(road: Road, request: Request, method: str, seed: int) -> Numbers:
    """Identity after as many steps as change the face by TARGET; None where that was not met within
    TOLERANCE. From the store where it is there.
    """
    settings = road.plan.edit_settings(request.prompt, method=method, seed=seed)
    named = {"settings": settings, "editor": request.editor}
    recipe = Recipe("matched", named, {"head": road.plan.coloured().key}, MODULES)

    def make(work: Work) -> None:
        original, capture = road.gaussian_head(), road.capture()
        train, test = capture.split()
        editor = get_editor(request.editor)
        editor.check(request.prompt)
        shots = make_shots(capture, road.views(), train, settings.frames)
        edit = Edit(copy.deepcopy(original), capture, shots, editor, get_method(method), settings)
        inside, steps = 0.0, 0
        while inside < TARGET and steps < PATIENCE * settings.steps:
            edit.step(steps)
            steps += 1
            if steps % LOOK_EVERY == 0 or inside > NEAR * TARGET:
                inside = edit_change(original, edit.head, capture, test)["edit.inside"]
        met = abs(inside - TARGET) <= TOLERANCE
        work.record("inside", inside)
        work.record("steps", steps)
        for name, value in identity_kept(original, edit.head, capture, test).items():
            work.record(name, value if met else None, f"the face has changed by {inside:.3f}")

    return results(road.made(Artifact(recipe), f"matched/{method}-{seed}", make))["numbers"]
