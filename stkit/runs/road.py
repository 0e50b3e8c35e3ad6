"""The road from a video to an animated, edited head: one method a stage.

Each stage is found by its key or made (see `store`), and the run's folder gets a link to it.
Notebooks, the command line and the studies call the same methods. A run remembers what it was made
from, and which settings were changed.
"""

from collections.abc import Callable
from pathlib import Path

from stkit import face_models
from stkit.art.styled_head import Drawing
from stkit.capture import Capture
from stkit.capture.rig import calibration_files
from stkit.diffusion.editors import get_editor
from stkit.editing.loop import check_request
from stkit.editing.methods import get_method
from stkit.editing.settings import EditSettings
from stkit.errors import RequestError
from stkit.export.certificate import present_certificate
from stkit.heads.gaussian import GaussianHead
from stkit.io.tensors import read_json
from stkit.io.video import VideoError
from stkit.runs import reports, stages
from stkit.runs.digests import digest_text
from stkit.runs.folders import link, slug
from stkit.runs.page import write_page
from stkit.runs.plan import CODE, edit_name
from stkit.runs.reconstruction import Reconstruction
from stkit.runs.source import Source
from stkit.runs.store import Artifact, results


class Road(Reconstruction):
    """A run and all its stages; see `Run` for what it is made from.

    Stages take keyword changes to their settings; a run remembers them for the stages that
    follow. Tracking, scores and pictures are computed on the CPU.
    """

    # ---- 04
    def weights(self, alpha: float = 5.0, landmarks: str = "66") -> Path:
        """Stage 04: pictures of the weight map and its sweeps, in pictures/weights."""
        head, capture = self.gaussian_head(), self.capture()
        self.report(
            self.plan.coloured(),
            "weights",
            "weights",
            lambda work: reports.weights(work, head, capture, alpha, landmarks),
            alpha=alpha,
            landmarks=landmarks,
        )
        return self.folder / "pictures" / "weights"

    # ---- 05
    def _edit_folder(self, settings: EditSettings, editor: str) -> Path:
        artifact = self.plan.edited(settings, editor)
        head, capture, rig = self.gaussian_head(), self.capture(), self.rig()
        views = None if rig else self.views()
        return self.made(
            artifact,
            f"edits/{edit_name(settings)}-{artifact.key[:6]}",
            lambda work: stages.make_edit(
                work,
                head,
                capture,
                views,
                rig,
                get_editor(editor, self.plan.device),
                settings,
                artifact.device,
                self.progress,
            ),
        )

    @property
    def head_key(self) -> str:
        """What identifies the head that is edited, made or not."""
        return self.plan.coloured().key

    def edit_artifact(self, settings: EditSettings, editor: str) -> Artifact:
        """Where an edit of this head is, or will be."""
        return self.plan.edited(settings, editor)

    def edited_head(self, prompt: str, editor: str = "paint", **change) -> GaussianHead:
        """The head after an edit, found or made, without pictures; `edit` is the stage with
        pictures and numbers.
        """
        folder = self._edit_folder(self.plan.edit_settings(prompt, **change), editor)
        return GaussianHead.load(folder / stages.EDITED_HEAD)

    def edit(self, prompt: str, editor: str = "paint", **change) -> GaussianHead:
        """Stage 05: the edited head. Writes edit/edited_head.safetensors and log.json with the b of
        every target.

        Every edit of a run is kept: edits/ has a link to each, edit/ is the last.
        """
        tool, settings = (
            get_editor(editor, self.plan.device),
            self.plan.edit_settings(prompt, **change),
        )
        check_request(get_method(settings.method), tool, settings)
        folder = self._edit_folder(settings, editor)
        link(self.run, "edit", folder.resolve())
        self.last_edit = None if callable(settings.region) else change | {"editor": editor}
        if self.last_edit is not None:
            self.last_edit["prompt"] = prompt
        self.remember()
        original, capture = self.gaussian_head(), self.capture()
        edited = GaussianHead.load(folder / stages.EDITED_HEAD)
        request = reports.EditRequest(settings, tool, read_json(folder / stages.LOG)["edits"])
        history = read_json(folder / stages.HISTORY)
        self.report(
            self.plan.edited(settings, editor),
            "edit",
            "edit",
            lambda work: reports.edit(work, original, edited, capture, request, history),
        )
        return edited

    def current_edit(self) -> GaussianHead | None:
        """The head after the last edit of this run, or None where there was none."""
        if self.last_edit is None:
            return None
        return self.edited_head(**self.last_edit)

    # ---- 06
    def animate(self, driver: str | None = None, edited: bool = True) -> Path:
        """Stage 06: clips, a point cloud and avatar.html in animate/; what moves the head is named
        by `driver`.

        A driver is a video, another tracker's file, 'synthetic:SEED' or a run's name; None is the
        head's own clip.
        """
        head, capture = self.gaussian_head(), self.capture()
        inputs = {"head": self.plan.coloured().key} | self.label_input
        changed, words = None, reports.Words(self.run)
        if edited and self.last_edit:
            request = dict(self.last_edit)
            editor, settings = request.pop("editor"), self.plan.edit_settings(**request)
            inputs["edit"] = self.plan.edited(settings, editor).key
            folder = self._edit_folder(settings, editor)
            changed = GaussianHead.load(folder / stages.EDITED_HEAD)
            words = reports.Words(self.run, settings.words, results(folder)["facts"]["editor"])
        leader = None
        if driver:
            road = self.driver_road(driver)
            leader = road.raw_capture()
            inputs["driver"] = road.plan.captured().key
        performers = reports.Performers(head, changed, capture, leader)
        count, seed = self.settings.video_frames, self.plan.seed
        about = {"frames": count, "seed": seed, "run": self.run}
        return self.made(
            self.plan.artifact("animate", about, inputs),
            "animate",
            lambda work: reports.animation(work, performers, count, seed, words, self.progress),
        )

    # ---- 07
    def art(self, drawing: Drawing, driver: str | None = None) -> Path:
        """Stage 07: the head in an art style in art/: clips, a sheet of angles and degrees, and an
        avatar with the style. What moves it is named as for `animate`.
        """
        head, capture = self.gaussian_head(), self.capture()
        inputs = {"head": self.plan.coloured().key} | self.label_input
        leader = None
        if driver:
            road = self.driver_road(driver)
            leader, inputs["driver"] = road.raw_capture(), road.plan.captured().key
        about = {"drawing": drawing, "frames": self.settings.video_frames, "run": self.run}
        performers = reports.Performers(head, None, capture, leader)
        count = self.settings.video_frames
        return self.made(
            self.plan.artifact("art", about, inputs),
            "art",
            lambda work: reports.art(work, performers, drawing, count, self.run, self.progress),
        )

    def driver(self, driver: str = "") -> Capture:
        """The clip of who drives; '' is the run's own."""
        return self.driver_road(driver).capture() if driver else self.capture()

    def driver_road(self, driver: str) -> "Road":
        """The run whose capture drives: a run's own, or one that tracks a video or reads another
        tracker's file.
        """
        source = Source.parse(driver, may_be_run=True).resolved()
        if source.kind == "run":
            road = Road(driver, quiet=self.quiet)
        else:
            name = f"driver-{slug(source.name)}-{digest_text(source.text)[:6]}"
            face_model, seed = self.plan.face_model, self.plan.seed
            profile = self.settings.name
            road = Road(name, source.text, profile, seed, self.quiet, face_model=face_model)
        size, own = (r.plan.preprocess_settings().size for r in (road, self))
        if size != own:
            raise RequestError(
                f"driver {driver!r} was tracked at {size} pixels, this run is at {own}: "
                "take the driver's video, or a run of the same profile"
            )
        return road

    # ---- all
    def check(
        self, prompt: str, editor: str = "paint", driver: str | None = None, shape: str = ""
    ) -> None:
        """Raise the error that a later stage would raise about the request, before anything is
        made.
        """
        settings = self.plan.edit_settings(prompt, shape=shape)
        tool = get_editor(editor, self.plan.device)
        check_request(get_method(settings.method), tool, settings)
        self.plan.source.digest()
        face_models.get(self.plan.face_model)
        _ = self.provider
        if self.plan.rig and not calibration_files(self.plan.rig):
            raise VideoError(f"{self.plan.rig}: no calibrated cameras here; see `stkit run --help`")
        for stage in CODE:
            self.plan.device_of(stage)
        present_certificate()
        if driver:
            self.driver_road(driver)

    def everything(
        self,
        prompt: str,
        editor: str = "paint",
        driver: str | None = None,
        shape: str = "",
        after: Callable[[str], None] = lambda stage: None,
    ) -> Path:
        """All stages in order with the profile's own settings, then the page. Returns
        runs/NAME/index.html. shape: see `EditSettings`. `after` is called with each stage's name
        when it is there.
        """
        self.check(prompt, editor, driver, shape)
        self.plan.changes = {}
        self.remember()
        stages_in_order: dict[str, Callable[[], object]] = {
            "preprocess": self.preprocess,
            "mesh": self.mesh,
            "gaussians": self.gaussians,
            "weights": self.weights,
            "edit": lambda: self.edit(prompt, editor, shape=shape),
            "animate": lambda: self.animate(driver),
        }
        for stage, make in stages_in_order.items():
            make()
            after(stage)
        return write_page(self.run)
