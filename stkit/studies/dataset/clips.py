"""One film: cut into clips of five seconds, cropped, tracked, its sound as mel windows, written."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from torch import Tensor

from stkit.capture.capture import Capture
from stkit.capture.detect import seen_points
from stkit.capture.preprocess import PreprocessSettings, preprocess
from stkit.face_models.landmarks import MEDIAPIPE_68
from stkit.io.tensors import replace_file, write_json
from stkit.io.video import VideoError, film_stream, write_video
from stkit.studies.dataset.names import Film, places
from stkit.studies.dataset.tubes import tube
from stkit.voice.annotation import annotate, units_of
from stkit.voice.emotions import NAMES
from stkit.voice.mel import mel_spectrogram
from stkit.voice.phrasing import Feeling
from stkit.voice.sound import RATE, SoundError, read_sound

FPS, SECONDS, SIZE = 25, 5, 256  # of a clip, as the release has them
LEAST_SECONDS = 1.0  # of MEAD's clips, which are short and stay whole
LONG_SIDE = 960  # pixels of a picture that faces are looked for in
MEL_WINDOW, MEL_STEP = 16, 3.2  # mel steps of a frame's window, and from frame to frame
TEXTURE, LIGHT = 80, 27  # numbers of Basel's coefficients that are not tracked: zeros


@dataclass(frozen=True)
class Steps:
    """How exactly clips are tracked: steps of the two fits; more take longer."""

    fit: int = 250
    refine: int = 500


def film_frames(path: Path) -> Iterator[np.ndarray]:
    """The pictures (H, W, 3) uint8 of a film, 25 a second. Raises VideoError naming the file."""
    try:
        with av.open(str(path)) as container:
            stream = film_stream(path, container)
            due = 0.0
            for frame in container.decode(stream):
                now = float(frame.time or 0.0)
                if now + 0.5 / FPS < due:
                    continue
                scale = min(1.0, LONG_SIDE / max(frame.width, frame.height))
                size = {"width": round(frame.width * scale), "height": round(frame.height * scale)}
                picture = frame.reformat(format="rgb24", **size).to_ndarray()
                while now + 0.5 / FPS >= due:  # a slower film shows a picture more than once
                    yield picture
                    due += 1 / FPS
    except (av.error.FFmpegError, OSError, ValueError) as e:
        raise VideoError(f"{path}: not a film that can be read ({e})") from e


def parts(film: Film) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Pictures (F, H, W, 3) and sound (N,) of each part. HDTF's films are cut into five seconds,
    and what is left over of either is dropped; MEAD's stay whole, as long as both last.
    """
    sound = read_sound(film.sound or film.picture)
    length = SECONDS * FPS
    held: list[np.ndarray] = []
    taken = 0
    for picture in film_frames(film.picture):
        held.append(picture)
        if film.actor or len(held) < length:
            continue
        begin, end = taken * RATE // FPS, (taken + length) * RATE // FPS
        if end > len(sound):
            return
        yield np.stack(held), sound[begin:end]
        held, taken = [], taken + length
    if film.actor:
        count = min(len(held), len(sound) * FPS // RATE)
        if count < LEAST_SECONDS * FPS:
            raise VideoError(f"{film.picture}: pictures and sound last less than a second together")
        yield np.stack(held[:count]), sound[: count * RATE // FPS]


def cropped(frames: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The face's tube (F, 256, 256, 3), and the 68 landmarks in it (F, 68, 2), pixels. Raises
    VideoError where a face is missing or leaves.
    """
    points = seen_points(frames)
    missing = int(np.isnan(points).any((1, 2)).sum())
    if missing:
        raise VideoError(f"{name}: no face in {missing} of {len(frames)} pictures")
    low, high = points.min(1), points.max(1)
    margin = 0.5 * (high - low)  # hair and shoulders
    boxes = np.concatenate([low - margin, high + margin], 1)
    found = tube(boxes, frames.shape[2], frames.shape[1])
    if found is None:
        raise VideoError(f"{name}: the face leaves its place, or another one is meant")
    x, y, side = found
    cut = frames[:, y : y + side, x : x + side]
    small = np.stack([cv2.resize(f, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for f in cut])
    marks = (points[:, MEDIAPIPE_68] - [x, y]) * (SIZE / side)
    return small, marks.astype(np.float32)


def mel_windows(sound: Tensor, frames: int) -> np.ndarray:
    """The release's windows (F, 80, 16): 16 mel steps from step int(3.2 (i - 2)) on for frame i,
    held at both ends.
    """
    mel = mel_spectrogram(sound).numpy().T
    starts = (MEL_STEP * (np.arange(frames) - 2)).astype(int)
    steps = np.clip(starts[:, None] + np.arange(MEL_WINDOW), 0, mel.shape[1] - 1)
    return mel[:, steps].transpose(1, 0, 2).astype(np.float32)


def coefficients(capture: Capture, marks: np.ndarray) -> dict[str, np.ndarray]:
    """A clip's rows as Deep3DFaceRecon keeps them: coeff (F, 257), lm68 (F, 68, 2), lm5 (F, 5, 2)
    and trans_param (F, 5). Identity and expression are those of the face model that was tracked;
    texture and light, which are not, are zeros. marks (F, 68, 2): landmarks in the clip's pictures.
    """
    count = len(capture)
    rows = np.zeros((count, 80 + 64 + TEXTURE + 3 + LIGHT + 3), np.float32)
    rows[:, :80] = capture.identity[:80]
    rows[:, 80:144] = capture.beta
    rows[:, 224:227] = capture.pose[:, :3]
    rows[:, 254:257] = capture.pose[:, 3:]
    eyes = [marks[:, k : k + 6].mean(1) for k in (36, 42)]
    five = np.stack([*eyes, marks[:, 30], marks[:, 48], marks[:, 54]], 1)
    whole = np.array([SIZE, SIZE, 1.0, SIZE / 2, SIZE / 2], np.float32)
    return {"coeff": rows, "lm68": marks, "lm5": five, "trans_param": np.tile(whole, (count, 1))}


def sentences(capture: Capture, film: Film) -> list[str]:
    """Five sentences about a clip: its emotion by MEAD's name, or neutral, and what shows."""
    emotion = film.emotion if film.emotion in NAMES else NAMES[0]
    return annotate(units_of(capture.beta), Feeling(emotion, max(1, min(film.level, 3))))


def process(film: Film, out: Path, steps: Steps, face_model: str = "makehuman") -> dict:
    """Write all clips of a film; what is there already stays. Returns a record: clips, seconds of
    film and of work, bytes, or the error.
    """
    record_file = out / "records" / f"{film.key}.json"
    record_file.parent.mkdir(parents=True, exist_ok=True)
    if record_file.exists():
        return json.loads(record_file.read_text())
    begun = time.monotonic()
    record: dict = {"film": film.key, "clips": [], "film_seconds": 0.0, "bytes": 0, "error": ""}
    record["face_model"] = face_model
    try:
        for k, (pictures, sound) in enumerate(parts(film)):
            name = film.key if film.actor else f"{film.name}#{k}"
            record["bytes"] += _write_clip(film, k, pictures, sound, out, steps, face_model)
            record["clips"].append(name)
            record["film_seconds"] += len(pictures) / FPS
    except (VideoError, SoundError) as e:
        record["error"] = str(e)
    if not record["clips"] and not record["error"]:
        record["error"] = f"{film.picture}: shorter than {SECONDS} seconds of picture and sound"
    record["work_seconds"] = round(time.monotonic() - begun, 2)
    write_json(record_file, record)
    return record


def _write_clip(
    film: Film,
    part: int,
    pictures: np.ndarray,
    sound: Tensor,
    out: Path,
    steps: Steps,
    face_model: str,
) -> int:
    """All files of one clip; how many bytes they have."""
    frames, marks = cropped(pictures, str(film.picture))
    times = np.arange(len(frames), dtype=np.float32) / FPS
    settings = PreprocessSettings(
        size=SIZE,
        max_frames=len(frames),
        fit_steps=steps.fit,
        refine_steps=steps.refine,
        face_model=face_model,
    )
    capture, _ = preprocess(frames, times, film.key, settings)
    if len(capture) < len(frames):
        lost = len(frames) - len(capture)
        raise VideoError(f"{film.picture}: the tracker lost the face in {lost} pictures")
    where = places(film, part, out)
    words = out / "annotations" / f"{film.annotation_key}{'' if film.actor else f'#{part}'}.json"
    for path in (*where.values(), words):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_video(where["video"], frames, FPS, sound.numpy(), RATE)
    rows = coefficients(capture, marks)
    _save(where["coefficients"], rows)
    _save(where["mel"], mel_windows(sound, len(frames)))
    _save(where["landmarks"], marks)
    write_json(words, sentences(capture, film))
    return sum(path.stat().st_size for path in (*where.values(), words))


def _save(path: Path, value: dict | np.ndarray) -> None:
    """As .npy, whole or not at all; a dictionary is pickled, as the release's loaders want it."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, value, allow_pickle=isinstance(value, dict))  # type: ignore[arg-type]

    replace_file(path, write)
