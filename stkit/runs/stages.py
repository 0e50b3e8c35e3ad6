"""What each stage writes: functions from inputs and settings to an artifact's files."""

from pathlib import Path

from stkit import face_models
from stkit.capture import Capture
from stkit.capture.preprocess import PreprocessSettings, preprocess
from stkit.capture.rig import Rig
from stkit.diffusion.protocols import Editor
from stkit.driving.tracked import capture_of, tracked_capture
from stkit.editing.loop import edit_head
from stkit.editing.settings import EditSettings
from stkit.export.obj import save_obj
from stkit.geometry import so3_exp, yaw_pitch_roll
from stkit.heads.fit_gaussians import GaussianTraining, fit_gaussians
from stkit.heads.fit_mesh import fit_mesh
from stkit.heads.gaussian import GaussianHead
from stkit.heads.mesh import MeshHead
from stkit.heads.mesh_training import MeshTraining
from stkit.io.tensors import write_json
from stkit.runs.source import Source
from stkit.runs.store import Work
from stkit.views import Views
from stkit.voice.speaking import tracked_speech

SHAPE_EDITOR = "sculpted shapes of the face model (no diffusion)"
MOST_TURNED = 12.0  # degrees, of the face in a single picture
CAPTURE, TRACK, VIEWS = "capture.npz", "track.npz", "views.safetensors"
MESH_HEAD, GAUSSIAN_HEAD = "mesh_head.safetensors", "gaussian_head.safetensors"
EDITED_HEAD, HISTORY, LOG = "edited_head.safetensors", "history.json", "log.json"


def track(
    source: Source, settings: PreprocessSettings, progress=lambda x, **k: x
) -> tuple[Capture, dict[str, list[float]]]:
    """A source's capture, and the loss curves of the fits by name; another tracker's file is read
    as it is, and a sound is spoken by Style-E.
    """
    if source.kind == "sound":
        speech = tracked_speech(Path(source.text), seed=settings.seed)
        return capture_of(speech, settings.size, settings.max_frames), {}
    if source.kind == "coefficients":
        return tracked_capture(source.text, settings.size, settings.max_frames), {}
    face_models.get(settings.face_model)  # its errors come before the clip is read and tracked
    video, times = source.frames(settings.max_frames, settings.size, progress)
    capture, losses = preprocess(video, times, source.clip_name, settings, progress)
    if source.kind == "photo":
        _note_turn(capture)
    return capture, losses


def _note_turn(capture: Capture) -> None:
    """Say so where one picture hides much of the face."""
    yaw = float(yaw_pitch_roll(so3_exp(capture.pose[:1, :3]))[0].rad2deg())
    if abs(yaw) > MOST_TURNED:
        print(
            f"note: {capture.source}: the face is turned by {abs(yaw):.0f} degrees; its far side "
            "is guessed from the near one. A picture from the front gives a better head"
        )


def make_capture(work: Work, source: Source, settings: PreprocessSettings, progress) -> None:
    """The tracked clip: capture.npz, and the fit's losses."""
    capture, losses = track(source, settings, progress)
    capture.save(work.folder / CAPTURE)
    write_json(work.folder / HISTORY, losses)


def make_mesh(
    work: Work,
    capture: Capture,
    rig: Rig | None,
    settings: MeshTraining,
    device: str,
    progress,
) -> None:
    """The mesh head: mesh_head.safetensors, mesh.obj of its neutral surface, and the losses."""
    train, _ = capture.split()
    head, history = fit_mesh(capture.to(device), settings, train, work.checkpoint, progress, rig)
    head = head.cpu()
    head.save(work.folder / MESH_HEAD)
    verts, faces, _ = head.extract()
    save_obj(work.folder / "mesh.obj", verts, faces)
    work.record("mesh.vertices", len(verts))
    write_json(work.folder / HISTORY, history)


def make_gaussians(
    work: Work,
    capture: Capture,
    mesh: MeshHead,
    views: Views | None,
    stand_in: str,
    rig: Rig | None,
    settings: GaussianTraining,
    device: str,
    progress,
) -> None:
    """The Gaussian head: gaussian_head.safetensors, track.npz with refined tracking, and the
    losses.

    stand_in: what the views take the place of, in words.
    """
    train, _ = capture.split()
    head, refined, history = fit_gaussians(
        capture.to(device),
        mesh.to(device),
        views,
        settings,
        train,
        work.checkpoint,
        progress,
        rig,
    )
    head.cpu().save(work.folder / GAUSSIAN_HEAD)
    refined.to("cpu").track.save(work.folder / TRACK)
    work.record("head.gaussians", len(head.xyz))
    work.fact("views", views.source if views else "none")
    work.fact("views_stand_in", stand_in if views else "")
    if rig:
        work.fact("rig", f"{len(rig.names)} cameras, {len(rig.frames)} moments")
    write_json(work.folder / HISTORY, history)


def make_edit(
    work: Work,
    head: GaussianHead,
    capture: Capture,
    views: Views | None,
    rig: Rig | None,
    editor: Editor,
    settings: EditSettings,
    device: str,
    progress,
) -> None:
    """The edited head: edited_head.safetensors, log.json with the b of every target, and the
    losses.
    """
    train, _ = capture.split()
    done = edit_head(
        head.to(device),
        capture.to(device),
        views,
        editor,
        settings,
        train,
        work.checkpoint,
        progress,
        rig,
    )
    done.head.cpu().save(work.folder / EDITED_HEAD, "edited")
    write_json(work.folder / LOG, {"edits": done.log})
    write_json(work.folder / HISTORY, done.history)
    work.record("edits", len(done.log))
    work.fact("editor", SHAPE_EDITOR if settings.only_shape else editor.name)
    work.fact("stand_in", "" if settings.only_shape else editor.stand_in)
    work.fact("prompt", settings.words)
