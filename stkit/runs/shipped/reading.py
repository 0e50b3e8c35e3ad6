"""Read a shipped run: what notebooks ask of a run, without training anything."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from torch import Tensor

from stkit.capture import Capture, Track
from stkit.diffusion.editors import get_editor
from stkit.diffusion.views import get_views
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.errors import RequestError
from stkit.export.statement import Statement
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.io.tensors import read_json
from stkit.progress import bar
from stkit.runs.consent import NOBODY
from stkit.runs.digests import digest_path, model_digest
from stkit.runs.folders import run_folder
from stkit.runs.plan import Plan
from stkit.runs.profiles import Profile
from stkit.runs.road import Road
from stkit.runs.shipped.files import TRACK, load_capture, load_part
from stkit.runs.source import Source
from stkit.runs.store import Artifact
from stkit.views import FRONTAL, Views

MARA = "mara"  # the one run that ships
ABOUT, MESH, HEAD = "about.json", "mesh.safetensors", "head.safetensors"
EDITS, DRIVER = "edits", "driver"


class ShippedRun:
    """A run that somebody else's machine finished, read only; see `about` for where it comes from.

    name: of the folder beside this module; folder: another place. It has the methods of
    `stkit.runs.road.Road` that read; `folder` of it is where a notebook may write.
    """

    def __init__(self, name: str = MARA, place: Path | None = None):
        self.place = place or Path(__file__).parent / name
        self.about = read_json(self.place / ABOUT)
        if not self.about:
            raise RequestError(f"{self.place}: no shipped run here ({ABOUT} is missing)")
        self.run = name
        self.plan = Plan(Source.parse(self.about["source"]).resolved(), self.about["profile"])
        self.settings: Profile = self.plan.settings
        self.quiet = True
        self.progress: Callable = bar

    @property
    def folder(self) -> Path:
        """Where notebooks write what they make from this run."""
        return run_folder(f"{self.run}-shipped")

    @property
    def origin(self) -> str:
        """One sentence for people: whose run it is and which code made it."""
        a = self.about
        return (
            f"'{self.run}' is a finished run that ships with the kit: {a['source']}, profile "
            f"{a['profile']}, made by commit {a['commit']} in {a['minutes']:.0f} minutes, not by "
            "the code on this machine"
        )

    @cached_property
    def _raw(self) -> Capture:
        return load_capture(self.place)

    @cached_property
    def _states(self) -> dict[str, tuple[dict[str, Tensor], dict]]:
        mesh = load_part(self.place / MESH, "mesh", {})
        return {"mesh": mesh, "head": load_part(self.place / HEAD, "gaussians", mesh[0])}

    def raw_capture(self) -> Capture:
        """The clip as tracked, before any head was fitted."""
        return self._raw

    def capture(self) -> Capture:
        """The clip with the track that the Gaussian stage refined."""
        return self._raw.with_track(Track.load(self.place / TRACK))

    def driver(self, driver: str = "") -> Capture:
        """The clip of who drives: another made-up person who ships, or a video, another tracker's
        file, 'synthetic:SEED' or a run, tracked now.
        """
        if not driver:
            return load_capture(self.place / DRIVER)
        own = Road(f"{self.run}-shipped", self.about["source"], self.settings.name, 0)
        return own.driver_road(driver).capture()

    def mesh_head(self) -> MeshHead:
        """The head after stage 02."""
        return MeshHead.restored(*self._states["mesh"])

    def gaussian_head(self) -> GaussianHead:
        """The head after stage 03."""
        return self._within(GaussianHead.restored(*self._states["head"]))

    def _within(self, head: GaussianHead) -> GaussianHead:
        """A head with the range of its training's expressions, which was not saved then."""
        capture = self.capture()
        head.keep_within(capture.beta[capture.split()[0]])
        return head

    def views(self, azimuths: tuple[float, ...] = FRONTAL) -> Views:
        """The mesh prior's views of the neutral frame, computed now (under a second)."""
        return get_views("mesh-prior")(self.raw_capture(), self.mesh_head(), azimuths)

    def rig(self) -> None:
        """No other cameras ship."""

    @property
    def head_key(self) -> str:
        """What identifies this head."""
        return digest_path(self.place)

    def edit_artifact(self, settings: EditSettings, editor: str) -> Artifact:
        """Where an edit of this head that is trained here is, or will be."""
        named = {"settings": settings, "editor": model_digest(editor)}
        return self.plan.artifact("edit", named, {"shipped": self.head_key})

    def edits(self) -> dict[str, dict]:
        """The edits that ship by method: editor, prompt, seed, steps, b of each target, numbers."""
        return self.about["edits"]

    def edited_head(
        self, prompt: str = "", editor: str = "", method: str = "ours", **change
    ) -> GaussianHead:
        """The head after an edit: one that ships, or, where other words, another editor or changed
        settings are asked for, one that is trained now, with the profile's steps.
        """
        asked = self._settings(prompt, method, change)
        ships = method in self.edits() and editor in ("", self.edits()[method]["editor"])
        if ships and asked == self._settings("", method, {}):
            path = self.place / EDITS / f"{method}.safetensors"
            state = load_part(path, "edited", self._states["head"][0])
            return self._within(GaussianHead.restored(*state))
        frames, _ = self.capture().split()
        tool = get_editor(editor or "paint")
        head, capture, views = self.gaussian_head(), self.capture(), self.views()
        return edit_head(head, capture, views, tool, asked, frames, progress=self.progress).head

    def _settings(self, prompt: str, method: str, change: dict) -> EditSettings:
        """The profile's settings of an edit, changed; without words the shipped edit's words."""
        words = prompt or self.edits()["ours"]["prompt"]
        return self.plan.edit_settings(words, method=method, **change)

    def current_edit(self) -> GaussianHead:
        """The method's own edit."""
        return self.edited_head()

    last_edit = None  # of a reader's own run; the edits that ship are asked for by name

    def statement(self, facts: dict[str, str], edited: bool = False) -> Statement:
        """What files of this head say of themselves."""
        return Statement(source=f"{self.run}, who ships with the kit", consent=NOBODY)

    def numbers(self, stage: str) -> dict[str, float]:
        """A stage's numbers, as the run recorded them."""
        return self.about["numbers"].get(stage, {})
