"""From a video's frames to a `Capture`: detect, fit the face model, follow the chest, refine on the
pictures.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stkit import face_models
from stkit.cameras import FOCAL, front_camera
from stkit.capture.capture import Capture
from stkit.capture.chest import track_chest
from stkit.capture.detect import Detection, detect
from stkit.capture.face_fit import with_face_model
from stkit.capture.fitting import Fit, check_fit, fit_clip
from stkit.capture.frame_choice import choose_held_out, choose_neutral
from stkit.capture.landmark_terms import FitSettings, posed_points
from stkit.capture.refine import RefineSettings, refine
from stkit.face_models.landmarks import KEPT_66, MEDIAPIPE_68, openings
from stkit.training import reproducible

CHIN = 8  # of the 68 landmarks


@dataclass(frozen=True)
class PreprocessSettings:
    """size: pixels of the square frames; max_frames: taken evenly over the clip.

    fit_steps, refine_steps: of the fit to landmarks, and of its refinement on pixels (0 leaves it
    out). face_model: whose expressions the capture holds (see `face_models.get`). held_out: which
    frames no training sees (see `choose_held_out`).
    """

    size: int = 256
    max_frames: int = 200
    fit_steps: int = 500
    refine_steps: int = 460
    face_model: str = "makehuman"
    held_out: str = "end"
    seed: int = 0


@reproducible()
def preprocess(
    video: np.ndarray,
    times: np.ndarray,
    name: str,
    settings: PreprocessSettings,
    progress=lambda x, **k: x,
) -> tuple[Capture, dict[str, list[float]]]:
    """Track a video: frames (F, H, W, 3) uint8 and times (F,) seconds; `name` is for messages and
    captions.

    Returns the capture and the loss curves of the fit, its refinement and the other face model's
    fit, by name. Raises VideoError where no face is found in most frames, or where the head could
    not be followed.
    """
    found = detect(video, settings.size, name, progress)
    losses = {}
    model, camera = face_models.builtin(), front_camera(settings.size)
    fit_settings = FitSettings(steps=settings.fit_steps, seed=settings.seed)
    fit = fit_clip(found.points, camera, model, fit_settings, progress)
    losses["landmarks"] = fit.losses
    points68 = torch.as_tensor(found.points[:, MEDIAPIPE_68], dtype=torch.float32)
    seconds, expression = torch.as_tensor(times[found.kept]), fit.beta / model.units
    train, test, neutral = _frames(settings.held_out, expression, fit.pose, points68, seconds)
    chin = points68[:, CHIN].numpy()
    torso = track_chest(found.frames, found.mattes, chin, neutral, camera)
    rest, scores = fit.pose[neutral], fit.scores
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
            train,
            RefineSettings(steps=settings.refine_steps, seed=settings.seed),
            progress,
        )
        fit, torso, rest = refined.fit, refined.torso, refined.rest
        losses["pixels"] = refined.losses
    check_fit(fit.nme, name)
    landmarks = torch.cat([points68, scores[..., None]], -1)
    capture = _capture(found, times, name, fit, landmarks, torso, rest, neutral)
    capture = replace(capture, held_out=torch.tensor(test))
    if settings.face_model != "makehuman":
        name, steps, seed = settings.face_model, settings.fit_steps, settings.seed
        capture, losses[name] = with_face_model(capture, name, train, steps, seed, progress)
    return capture, losses


def _frames(
    held_out: str, steps: Tensor, pose: Tensor, points68: Tensor, times: Tensor
) -> tuple[list[int], list[int], int]:
    """The frames for training, those held out, and the neutral one, which teaches.

    steps (F, 64): expressions in the face model's units; times (F,) seconds.
    """
    test = choose_held_out(held_out, steps, pose, times)
    train = [t for t in range(len(pose)) if t not in test]
    mouth, lids = openings(points68).unbind(1)
    return train, test, choose_neutral(steps, pose, mouth, lids, train)


def _capture(
    found: Detection,
    times: np.ndarray,
    name: str,
    fit: Fit,
    landmarks: Tensor,
    torso: Tensor,
    rest: Tensor,
    neutral: int,
) -> Capture:
    """What was found, as a capture of the built-in head."""
    model = face_models.builtin()
    offsets = (model.detector.usual(fit.beta) + fit.habit[: len(model.detector.mean)])[:, KEPT_66]
    shape = (fit.identity, fit.scale, fit.beta, fit.pose, offsets)
    world = posed_points(model, model.landmarks[KEPT_66], *shape)
    dense = found.points[:, model.dense_mediapipe.numpy()]
    return Capture(
        frames=found.frames,
        mattes=found.mattes,
        landmarks=landmarks,
        dense=torch.as_tensor(dense, dtype=torch.float32),
        times=torch.as_tensor(times[found.kept]),
        focal=FOCAL,
        source=name,
        identity=fit.identity,
        scale=fit.scale,
        beta=fit.beta,
        pose=fit.pose,
        torso=torso,
        rest=rest,
        landmarks3d=world,
        neutral=neutral,
    )


def model_landmarks(capture: Capture) -> Tensor:
    """Where the fitted model has the 66 landmarks (F, 66, 3), world: with the detector's error on
    people in general, without what it adds on this person.
    """
    face = capture.face()
    shape = (capture.identity, capture.scale, capture.beta, capture.pose)
    offsets = face.detector.usual(capture.beta)[:, KEPT_66]
    return posed_points(face, face.landmarks[KEPT_66], *shape, offsets)
