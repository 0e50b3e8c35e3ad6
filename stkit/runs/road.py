"""The road from a video to an animated, edited head: one method a stage, each reading the stage before and writing its own
folder. Notebooks and the command line call the same methods; finished stages are reused, interrupted ones go on."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from stkit import face_models, metrics
from stkit.runs import figures as stage_pictures
from stkit.capture.capture import Capture
from stkit.capture.preprocess import model_landmarks, preprocess
from stkit.capture.rig import calibration_files, load_rig
from stkit.io.video import VideoError
from stkit.diffusion.editors import get_editor
from stkit.diffusion.views import STAND_INS, get_views
from stkit.views import FRONTAL, Views
from stkit.editing.loop import EditSettings, edit_head
from stkit.runs.scores import edit_change, held_out_scores, mesh_scores, novel_view_scores
from stkit.face_models.landmarks import KEPT_66
from stkit.heads.fit_gaussians import fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.runs.profiles import get_profile
from stkit.progress import bar
from stkit.render import pick_device
from stkit.io.tensors import read_json
from stkit.runs.store import Stage, run_folder


@dataclass
class Road:
    """A run: its name, where its video comes from, its profile, seed, provider of views ('mesh-prior', 'tiny-orbit', or a V3D folder or id) and rig.

    `rig` is a folder of calibrated cameras around the same head (see `capture.rig`), or "". `device`: where stages 02, 03 and 05 are
    optimised: 'cpu', 'cuda', or 'auto'; tracking, scores and pictures are made on the CPU. `face_model`: whose expressions are
    tracked (see `face_models.get`).

    Stages take keyword changes to their settings.
    """

    run: str = "demo"
    source: str = "synthetic"
    profile: str | None = None
    seed: int = 0
    quiet: bool = False
    view_model: str = "mesh-prior"
    rig: str = ""
    device: str = "auto"
    face_model: str = "builtin"

    def __post_init__(self) -> None:
        self.device = pick_device(self.device)
        self.settings = get_profile(self.profile)
        self.folder = run_folder(self.run)
        self.progress = (lambda x, **k: x) if self.quiet else bar
        self._made: dict[tuple[float, ...], Views] = {}

    # ---- 01
    def preprocess(self, **change) -> Capture:
        """Stage 01. Writes preprocess/capture.npz."""
        settings = replace(self.settings.preprocess, seed=self.seed, **change)
        inputs = {} if self.source.startswith("synthetic") else {"video": _hashable(self.source)}
        parameters = {"source": self.source if not inputs else Path(self.source).name, **asdict(settings)}
        if self.face_model != "builtin":
            face_models.get(self.face_model)
            parameters["face_model"] = self.face_model
        stage = Stage(self.run, "preprocess", parameters, inputs)
        if self._reuse(stage):
            return Capture.load(stage.folder / "capture.npz")
        with stage.making() as work:
            capture, losses = preprocess(self.source, settings, self.progress, self.face_model)
            capture.save(work / "capture.npz")
            eye = (capture.landmarks[:, 36, :2] - capture.landmarks[:, 45, :2]).norm(dim=1)
            seen, camera = capture.landmarks[:, KEPT_66, :2], capture.camera
            nme = metrics.nme(camera.project(capture.landmarks3d), seen, eye)
            stage.record("track.nme", float(nme.mean()))
            stage.record("track.nme_model", float(metrics.nme(camera.project(model_landmarks(capture)), seen, eye).mean()))
            stage.record("track.nme_worst", float(nme.max()))
            stage.record("face_model", capture.face().name)
            stage.record("frames", len(capture))
            stage.record("neutral", capture.neutral)
            stage_pictures.tracking(stage, capture, losses)
        return capture

    def capture(self) -> Capture:
        """The capture of this run with the tracking that stage 03 refined, if it has run; made if there is none."""
        refined = self.folder / "gaussians" / "capture.npz"
        return Capture.load(refined if refined.exists() else self._raw_capture())

    # ---- 02
    def mesh(self, **change) -> tuple[MeshHead, Capture]:
        """Stage 02. Writes mesh/mesh_head.safetensors and mesh/mesh.obj; returns the mesh head and the capture it was made from."""
        raw = self._raw_capture()
        settings = replace(self.settings.mesh, seed=self.seed, **change)
        stage = Stage(self.run, "mesh", asdict(settings), {"capture": raw})
        capture = Capture.load(raw)
        if not self._reuse(stage):
            train, test = capture.split()
            with stage.making() as work:
                head, history = fit_mesh(capture.to(self.device), settings, train, stage.checkpoint, self.progress)
                head = head.cpu()
                head.save(work / "mesh_head.safetensors")
                verts, faces, _ = head.extract()
                save_obj(work / "mesh.obj", verts, faces)
                for name, value in mesh_scores(head, capture, train, test).items():
                    stage.record(name, value)
                stage.record("mesh.vertices", len(verts))
                stage_pictures.mesh(stage, head, capture, history)
        return MeshHead.load(stage.folder / "mesh_head.safetensors"), capture

    # ---- 03
    def views(self, azimuths: tuple[float, ...] = FRONTAL) -> Views:
        """Views of the neutral frame, made once for each set of azimuths. Mesh-prior views are the stand-in for V3D."""
        if azimuths not in self._made:
            mesh = self.mesh_head()
            self._made[azimuths] = get_views(self.view_model)(Capture.load(self._raw_capture()), mesh, azimuths)
        return self._made[azimuths]

    def gaussians(self, use_views: bool = True, **change) -> GaussianHead:
        """Stage 03. Writes gaussians/gaussian_head.safetensors and gaussians/capture.npz with refined tracking."""
        mesh = self.mesh_head()
        settings = replace(self.settings.gaussians, seed=self.seed, **change)
        settings = replace(settings, model=fit_widths(settings.model, mesh))
        raw = self._raw_capture()
        inputs = {"mesh head": self.folder / "mesh" / "mesh_head.safetensors", "capture": raw}
        if self.rig:
            inputs |= {f"rig {k}": file for k, file in enumerate(calibration_files(self.rig))}
        stage = Stage(
            self.run,
            "gaussians",
            {
                **asdict(settings),
                "views": self.view_model if use_views else "none",
                **({"rig": str(Path(self.rig).resolve())} if self.rig else {}),
            },
            inputs,
        )
        if not self._reuse(stage):
            tracked = Capture.load(raw)
            rig = load_rig(self.rig, tracked, progress=self.progress) if self.rig else None
            train, test = tracked.split()
            with stage.making() as work:
                views = self.views(settings.azimuths if self.view_model in STAND_INS else FRONTAL) if use_views else None
                head, capture, history = fit_gaussians(
                    tracked.to(self.device), mesh.to(self.device), views, settings, train, stage.checkpoint, self.progress, rig
                )
                head, capture = head.cpu(), capture.to("cpu")
                head.save(work / "gaussian_head.safetensors")
                capture.save(work / "capture.npz")
                for name, value in held_out_scores(head, capture, tracked, train, test).items():
                    stage.record(name, value)
                for name, value in novel_view_scores(head, capture, test).items():
                    stage.record(name, value)
                stage.record("head.gaussians", len(head.xyz))
                stage.record("views", views.source if views else "none")
                if rig:
                    stage.record("rig", f"{len(rig.names)} cameras, {len(rig.frames)} moments of {self.rig}")
                stage_pictures.gaussian(stage, head, capture, views, train, test, history)
        return GaussianHead.load(stage.folder / "gaussian_head.safetensors")

    # ---- 04
    def weights(self, alpha: float = 5.0, landmarks: str = "66") -> Path:
        """Stage 04: pictures of the weight map and its sweeps. Writes weights/."""
        head = self.gaussian_head()
        source = self.folder / "gaussians" / "gaussian_head.safetensors"
        stage = Stage(self.run, "weights", {"alpha": alpha, "landmarks": landmarks}, {"head": source})
        if not self._reuse(stage):
            with stage.making():
                stage_pictures.weights(stage, head, self.capture(), alpha, landmarks)
        return stage.folder

    # ---- 05
    def edit(self, prompt: str, editor: str = "paint", **change) -> GaussianHead:
        """Stage 05. Writes edit/edited_head.safetensors and edit/log.json with the b of every target."""
        tool = get_editor(editor)
        tool.check(prompt)
        head = self.gaussian_head()
        settings = EditSettings(
            prompt=prompt, **{"steps": self.settings.edit_steps, "frames": self.settings.edit_frames, "seed": self.seed, **change}
        )
        source = self.folder / "gaussians" / "gaussian_head.safetensors"
        stage = Stage(self.run, "edit", {**asdict(settings), "editor": editor}, {"head": source})
        if not self._reuse(stage):
            capture = self.capture()
            train, test = capture.split()
            original = GaussianHead.load(source)
            with stage.making() as work:
                history, shots, log = edit_head(
                    head.to(self.device), capture.to(self.device), self.views(), tool, settings, train, stage.checkpoint, self.progress
                )
                head, shots = head.cpu(), [s.to("cpu") for s in shots]
                head.save(work / "edited_head.safetensors", "edited")
                (work / "log.json").write_text(_json(log))
                for name, value in edit_change(original, head, capture, test).items():
                    stage.record(name, value)
                stage.record("edits", len(log))
                stage.record("editor", tool.name)
                stage.record("prompt", prompt)
                stage_pictures.edit(stage, original, head, capture, shots, log, settings, tool, test, history)
        return GaussianHead.load(stage.folder / "edited_head.safetensors")

    # ---- 06
    def animate(self, driver: str | None = None, edited: bool = True) -> Path:
        """Stage 06. Writes animate/*.mp4, head.ply and avatar.html; `driver` is another run's name or a video's path."""
        head = self.gaussian_head()
        source = self.folder / "gaussians" / "gaussian_head.safetensors"
        changed = self.folder / "edit" / "edited_head.safetensors"
        inputs = {"head": source}
        if edited and changed.exists():
            inputs["edited head"] = changed
        driving = None
        if driver:
            driving = self.driver_road(driver)
            inputs["driver"] = driving.folder / "preprocess" / "capture.npz"
        stage = Stage(self.run, "animate", {"driver": driver, "frames": self.settings.video_frames}, inputs)
        if not self._reuse(stage):
            with stage.making() as work:
                edited_head = GaussianHead.load(changed) if "edited head" in inputs else None
                told = read_json(self.folder / "edit" / "results.json")
                stage_pictures.animation(
                    stage, work, head, edited_head, self.capture(), driving and driving.capture(), self.settings, self.seed,
                    told.get("prompt", ""), told.get("editor", ""), self.progress,
                )
        return stage.folder

    def everything(self, prompt: str, editor: str = "paint", driver: str | None = None) -> Path:
        """All stages in order, then the page. Returns runs/<name>/index.html."""
        from stkit.runs.page import write_page

        get_editor(editor).check(prompt)
        self.preprocess()
        self.mesh()
        self.gaussians()
        self.weights()
        self.edit(prompt, editor)
        self.animate(driver)
        return write_page(self.run)

    # ---- helpers
    def _reuse(self, stage: Stage) -> bool:
        if stage.finished():
            self._say(f"{stage.name}: already done with these settings, reused ({stage.folder})")
            return True
        self._say(f"{stage.name}: running, profile {self.settings.name}")
        return False

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)

    def _raw_capture(self) -> Path:
        path = self.folder / "preprocess" / "capture.npz"
        if not path.exists():
            self._say("no capture yet: making it")
            self.preprocess()
        return path

    def mesh_head(self) -> MeshHead:
        """The mesh head of this run; made if there is none."""
        path = self.folder / "mesh" / "mesh_head.safetensors"
        return MeshHead.load(path) if path.exists() else self.mesh()[0]

    def gaussian_head(self) -> GaussianHead:
        """The Gaussian head of this run; made if there is none."""
        path = self.folder / "gaussians" / "gaussian_head.safetensors"
        return GaussianHead.load(path) if path.exists() else self.gaussians()

    def driver_road(self, driver: str) -> "Road":
        """The run that tracked `driver`: a video's path (tracked now if it was not), 'synthetic:SEED', a parameter file or a run's name."""
        if driver.startswith("synthetic") or Path(driver).exists():
            name = f"driver-{Path(driver.replace(':', '-')).stem}"
            road = Road(name, driver, self.settings.name, self.seed, self.quiet, face_model=self.face_model)
            road.preprocess()
            return road
        other = run_folder(driver)
        if not (other / "preprocess" / "capture.npz").exists():
            raise VideoError(
                f"driver {driver!r}: neither a video, nor tracked parameters (.csv, .json, .npz, a 3DMM folder), nor 'synthetic', nor a run with a capture in {other}"
            )
        return Road(driver, profile=self.settings.name, quiet=self.quiet)


def _json(value) -> str:
    import json

    return json.dumps(value, indent=1)


def _hashable(source: str) -> Path:
    """What identifies an input: the file itself, or for a folder of images its first one; VideoError if missing."""
    path = Path(source)
    if not path.exists():
        raise VideoError(f"{source}: no such file or folder. Give a video, a folder of images, or 'synthetic'")
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file())
        if not files:
            raise VideoError(f"{source}: the folder is empty")
        return files[0]
    return path


def fit_widths(model, mesh: MeshHead):
    """The Gaussian stage keeps the mesh stage's deformation net, so their widths must agree."""
    s = mesh.settings
    return replace(model, width=s.width, pose_width=s.pose_width, feature=s.feature, deform_scale=s.deform_scale)


