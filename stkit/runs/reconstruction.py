"""From a video to a Gaussian head: stages 01 to 03, each found by its key or made."""

from pathlib import Path

from stkit.capture import Capture, Track
from stkit.capture.rig import Rig, load_rig
from stkit.diffusion.protocols import ViewProvider
from stkit.diffusion.views import get_views
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.io.tensors import read_json
from stkit.runs import reports, stages
from stkit.runs.run import Run
from stkit.runs.store import Work
from stkit.views import FRONTAL, Views


class Reconstruction(Run):
    """A run and its stages.

    Stages take keyword changes to their settings; a run remembers them for the stages that follow.
    Tracking, scores and pictures are computed on the CPU.
    """

    def __init__(self, *words, **options) -> None:
        """See `Run`."""
        super().__init__(*words, **options)
        self._captures: dict[str, Capture] = {}
        self._provider: ViewProvider | None = None
        self._rig: Rig | None = None

    # ---- 01
    def _capture_folder(self) -> Path:
        plan = self.plan
        return self.made(
            plan.captured(),
            "preprocess",
            lambda work: stages.make_capture(
                work, plan.source, plan.preprocess_settings(), self.progress
            ),
        )

    def preprocess(self, **change) -> Capture:
        """Stage 01: the tracked clip. Writes preprocess/capture.npz."""
        self.change("preprocess", change)
        capture = self.raw_capture()
        losses = read_json(self._capture_folder() / stages.HISTORY)
        self.report(
            self.plan.captured(),
            "preprocess",
            "tracking",
            lambda work: reports.tracking(work, capture, losses),
        )
        return capture

    def raw_capture(self) -> Capture:
        """The capture as tracked from landmarks and pictures, before any head was fitted; made if
        there is none.
        """
        key = self.plan.captured().key
        if key not in self._captures:
            self._captures[key] = Capture.load(self._capture_folder() / stages.CAPTURE)
        return self._captures[key]

    def capture(self) -> Capture:
        """The capture with the track that the Gaussian stage refined, where that has run; made if
        there is none.
        """
        raw, gaussians = self.raw_capture(), self.plan.coloured()
        if not gaussians.finished():
            return raw
        return raw.with_track(Track.load(gaussians.folder / stages.TRACK))

    def rig(self) -> Rig | None:
        """The other cameras around the head, in the capture's world; None where there are none."""
        if self.plan.rig and self._rig is None:
            self._rig = load_rig(self.plan.rig, self.raw_capture(), progress=self.progress)
        return self._rig

    # ---- 02
    def _mesh_folder(self) -> Path:
        artifact, capture = self.plan.meshed(), self.raw_capture()
        settings, device = self.plan.mesh_settings(), artifact.device
        return self.made(
            artifact,
            "mesh",
            lambda work: stages.make_mesh(
                work, capture, self.rig(), settings, device, self.progress
            ),
        )

    def mesh(self, **change) -> tuple[MeshHead, Capture]:
        """Stage 02: the mesh head, and the capture it was made from. Writes
        mesh/mesh_head.safetensors and mesh.obj.
        """
        self.change("mesh", change)
        head, capture = self.mesh_head(), self.raw_capture()
        history = read_json(self._mesh_folder() / stages.HISTORY)
        self.report(
            self.plan.meshed(),
            "mesh",
            "mesh",
            lambda work: reports.mesh(work, head, capture, history),
        )
        return head, capture

    def mesh_head(self) -> MeshHead:
        """The mesh head of this run; made if there is none."""
        return MeshHead.load(self._mesh_folder() / stages.MESH_HEAD)

    # ---- 03
    @property
    def provider(self) -> ViewProvider:
        """Who makes the views; loaded at first use."""
        if self._provider is None:
            self._provider = get_views(self.plan.views, self.plan.device)
        return self._provider

    def views(self, azimuths: tuple[float, ...] = FRONTAL) -> Views:
        """Views of the neutral frame at azimuths (degrees), by the run's provider; made once for
        each set.
        """
        mesh, capture = self.mesh_head(), self.raw_capture()
        folder = self.made(
            self.plan.viewed(azimuths),
            "views" if azimuths == FRONTAL else f"views-{len(azimuths)}",
            lambda work: self.provider(capture, mesh, azimuths).save(work.folder / stages.VIEWS),
        )
        return Views.load(folder / stages.VIEWS)

    def _stage_views(self) -> Views | None:
        azimuths = self.plan.azimuths()
        return self.views(azimuths) if azimuths else None

    def _gaussian_folder(self) -> Path:
        artifact = self.plan.coloured()

        def make(work: Work) -> None:
            stages.make_gaussians(
                work,
                self.raw_capture(),
                self.mesh_head(),
                self._stage_views(),
                self.provider.stand_in,
                self.rig(),
                self.plan.gaussian_settings(),
                artifact.device,
                self.progress,
            )

        self._mesh_folder()
        return self.made(artifact, "gaussians", make)

    def gaussians(self, **change) -> GaussianHead:
        """Stage 03: the Gaussian head. Writes gaussians/gaussian_head.safetensors and track.npz,
        the refined track.

        `use_views=False` learns from the video alone; other keywords change the stage's settings.
        """
        self.change("gaussians", change)
        head, raw, capture = self.gaussian_head(), self.raw_capture(), self.capture()
        views, history = self._stage_views(), read_json(self._gaussian_folder() / stages.HISTORY)
        self.report(
            self.plan.coloured(),
            "gaussians",
            "gaussians",
            lambda work: reports.gaussians(work, head, raw, capture, views, history),
        )
        return head

    def gaussian_head(self) -> GaussianHead:
        """The Gaussian head of this run; made if there is none."""
        return GaussianHead.load(self._gaussian_folder() / stages.GAUSSIAN_HEAD)
