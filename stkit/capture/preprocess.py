"""Stage 01: a video, or the synthetic subject, becomes a `Capture`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import FOCAL, front_camera
from stkit.capture import Capture, choose_neutral
from stkit.capture.chest import track_chest
from stkit.capture.detect import detect
from stkit.capture.face_fit import with_face_model
from stkit.capture.fitting import FitSettings, fit_clip, posed_points
from stkit.capture.refine import RefineSettings, refine
from stkit.driving.tracked import is_tracked, tracked_capture
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68, mouth_opening
from stkit.io.video import read_video
from stkit.synthetic import subject as synthetic


@dataclass(frozen=True)
class PreprocessSettings:
    """size: pixels of the square frames; max_frames: taken evenly over the clip; fit_steps, refine_steps: of the
    fit to landmarks and of its refinement on pixels (0 leaves it out)."""

    size: int = 256
    max_frames: int = 200
    fit_steps: int = 500
    refine_steps: int = 460
    seed: int = 0


def preprocess(
    source: str,
    settings: PreprocessSettings,
    progress=lambda x, **k: x,
    face_model: str = "builtin",
) -> tuple[Capture, list[list[float]]]:
    """Track `source`: the path of a video or image folder, or 'synthetic' (or 'synthetic:SEED').

    Tracked parameters (`stkit.capture.tracked`) become a driver. `face_model`: whose expressions the capture holds (see
    `face_models.get`). Returns the capture and the losses of the fit, of its refinement, and of the other face model's fit. Nothing of the synthetic subject's truth is used: it is filmed before a backdrop and tracked like any video.
    """
    if is_tracked(source):
        capture = tracked_capture(source, settings.size, settings.max_frames)
        return capture, []
    if source.startswith("synthetic"):
        subject = synthetic_subject(source, settings.max_frames)
        frames = range(len(subject.performance.times))
        shots = [
            synthetic.film(subject, settings.size, t)
            for t in progress(frames, desc="filming the synthetic subject")
        ]
        video = np.stack([(x * 255).round().byte().numpy() for x in shots])
        times = subject.performance.times.numpy()
    else:
        video, times = read_video(Path(source), settings.max_frames)
    found = detect(video, settings.size, source, progress)
    camera = front_camera(settings.size)
    model = face_models.get("builtin")
    fit = fit_clip(
        found.points,
        camera,
        model,
        FitSettings(steps=settings.fit_steps, seed=settings.seed),
        progress,
    )
    train = range(
        len(found.kept) - max(1, round(0.2 * len(found.kept)))
    )  # the neutral frame teaches: it may not be held out
    points68 = torch.as_tensor(found.points[:, MEDIAPIPE_68], dtype=torch.float32)
    neutral = choose_neutral(fit.beta, fit.pose, mouth_opening(points68), list(train))
    landmarks = torch.cat([points68, fit.scores[..., None]], -1)
    torso = track_chest(found.frames, found.mattes, landmarks[:, 8, :2].numpy(), neutral, camera)
    rest, losses, bias = fit.pose[neutral], [fit.losses], 0.0
    if settings.refine_steps:
        refined = refine(
            fit,
            torso,
            rest,
            found.frames,
            found.mattes,
            found.points,
            camera,
            model,
            len(train),
            RefineSettings(steps=settings.refine_steps, seed=settings.seed),
            progress,
        )
        fit, torso, rest, bias = refined.fit, refined.torso, refined.rest, refined.bias[KEPT_66]
        losses.append(refined.losses)
    world = posed_points(
        model, model.landmarks[KEPT_66], fit.identity, fit.scale, fit.beta, fit.pose, bias
    )
    capture = Capture(
        frames=found.frames,
        mattes=found.mattes,
        landmarks=landmarks,
        dense=torch.as_tensor(found.points[:, model.dense_mediapipe.numpy()], dtype=torch.float32),
        identity=fit.identity,
        scale=fit.scale,
        beta=fit.beta,
        pose=fit.pose,
        torso=torso,
        rest=rest,
        landmarks3d=world,
        times=torch.as_tensor(times[found.kept]),
        neutral=neutral,
        focal=FOCAL,
        source=str(source),
    )
    if face_model != "builtin":
        capture, told = with_face_model(
            capture, face_model, len(train), settings.fit_steps, settings.seed, progress
        )
        losses.append(told)
    return capture, losses


def model_landmarks(capture: Capture) -> Tensor:
    """Where the fitted model itself has the 66 landmarks (F, 66, 3), world: `landmarks3d` without this person's offsets."""
    face = capture.face()
    return posed_points(
        face, face.landmarks[KEPT_66], capture.identity, capture.scale, capture.beta, capture.pose
    )


def synthetic_subject(source: str, frames: int) -> synthetic.Subject:
    """The subject that 'synthetic' or 'synthetic:SEED' names, filmed for 6 seconds in `frames` frames."""
    _, _, seed = source.partition(":")
    try:
        return synthetic.make_subject(int(seed or synthetic.DEMO_SEED), frames, seconds=6.0)
    except ValueError as e:
        raise ValueError(
            f"{source!r}: write 'synthetic' or 'synthetic:SEED' with a whole number"
        ) from e
