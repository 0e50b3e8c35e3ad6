"""Reading and writing video with PyAV.

Decoders keep PyAV's default of one frame at a time. With a thread for every frame, closing a film
before its end now and then waits for ever: PyAV holds Python's lock while it frees a decoder whose
threads want it. Every fault names the file, what is wrong and what to do.
"""

from pathlib import Path
from typing import Any

import av
import numpy as np

from stkit.errors import RequestError
from stkit.io.pictures import LONG_SIDE, open_picture
from stkit.io.untrusted import UnsafeFileError

LARGEST_FRAME = 8192 * 4608  # pixels of a film's frame
FOLDER_TYPES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
FOLDER_RATE = 25  # images a second; also assumed where a stream does not say
STILL_FRAMES = 10  # that one picture counts as
MIN_FRAMES = 8  # of a clip that an avatar can be learned from
GAP_FACTOR = 4  # of the usual time between frames, from which on a jump is worth a note
# H.264, visually lossless; without x264's macroblock tree, whose bytes differ from run to run
CODEC = {
    "crf": "18",
    "preset": "veryfast",
    "movflags": "+faststart",
    "x264-params": "mbtree=0",
}


class VideoError(RequestError):
    """A clip that cannot be used; the message says why and what to do."""


Crop = tuple[int, int, int, int]  # width, height, left, top in pixels


def frames_at(path: Path, times: list[float], crop: Crop | None = None) -> list[np.ndarray]:
    """The frames (H, W, 3) uint8 nearest to rising `times` in seconds; crop: this part of the
    picture in its full size.

    Raises VideoError if the file cannot be read or ends too early.
    """
    found: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            stream = film_stream(path, container)
            half = 0.5 / float(stream.average_rate or FOLDER_RATE)
            last: Any = None
            for frame in container.decode(stream):
                now = float(frame.time or 0.0)
                while len(found) < len(times) and now >= times[len(found)] - half:
                    found.append(_upright(frame, crop))
                last = frame
                if len(found) == len(times):
                    break
            missing_last = last is not None and len(found) == len(times) - 1
            if missing_last and times[-1] - float(last.time or 0.0) < 4 * half:
                found.append(_upright(last, crop))  # it also stands for a time shortly after it
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as e:
        raise VideoError(f"{path}: not a video that can be read ({e})") from e
    if len(found) < len(times):
        raise VideoError(f"{path}: ends before second {times[len(found)]:.2f}, which is asked for")
    return found


def read_video(path: Path, max_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to `max_frames` frames, evenly over the clip, and their times.

    Returns (F, H, W, 3) uint8 and (F,) seconds.

    Accepts what ffmpeg can decode, or a folder of images (in the order of their names, 25 a
    second). Frames are upright: rotation flags are applied. Raises VideoError for a missing file, a
    file that is no video, and clips of fewer than 8 frames.
    """
    path = Path(path)
    if not path.exists():
        raise VideoError(f"{path}: no such file or folder")
    frames: list[np.ndarray] = []
    times: list[float] = []
    if path.is_dir():
        _read_folder(path, max_frames, frames, times)
    else:
        _read_file(path, max_frames, frames, times)
    if len(frames) < MIN_FRAMES:
        raise VideoError(
            f"{path}: {len(frames)} frames are too few to learn an avatar from; "
            f"record at least 2 seconds ({MIN_FRAMES} frames)"
        )
    seconds = np.array(times, np.float32)
    _note_gap(path, seconds)
    return np.stack(frames), seconds


def is_picture(path: Path) -> bool:
    """Whether a name is that of a picture file."""
    return path.is_file() and path.suffix.lower() in FOLDER_TYPES


def read_photo(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One picture as a clip that stands still: (F, H, W, 3) uint8 and times (F,) seconds.

    Raises VideoError naming the file where it is no picture.
    """
    times = np.arange(STILL_FRAMES, dtype=np.float32) / FOLDER_RATE
    return np.repeat(read_picture(path)[None], STILL_FRAMES, 0), times


def read_picture(path: Path) -> np.ndarray:
    """A picture file (H, W, 3) uint8, upright. Raises VideoError naming the file where it is
    none.
    """
    if not path.is_file():
        raise VideoError(f"{path}: no such picture")
    try:
        return np.asarray(open_picture(path, upright=True))
    except UnsafeFileError as e:
        raise VideoError(f"{path}: not a picture that can be read ({e})") from e


def _read_file(path: Path, max_frames: int, frames: list, times: list) -> None:
    """Append the frames and times of a file; a damaged file gives those before the damage."""
    try:
        with av.open(str(path)) as container:
            stream = film_stream(path, container)
            count = stream.frames or _count(path)
            wanted = np.linspace(0, max(count - 1, 0), min(max_frames, max(count, 1)))
            keep = set(wanted.round().astype(int).tolist())
            for k, frame in enumerate(container.decode(stream)):
                if k in keep:
                    frames.append(_upright(frame))
                    times.append(float(frame.time if frame.time is not None else k / FOLDER_RATE))
    except VideoError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as e:
        if len(frames) < MIN_FRAMES:
            raise VideoError(
                f"{path}: not a video that can be read ({e}); "
                "give an mp4, mov or webm, or a folder of images"
            ) from e
        print(f"note: {path} is damaged after frame {len(frames)} ({e}); the part before is used")


def film_stream(path: Path, container: Any) -> Any:
    """The first video stream. Raises VideoError where there is none, or its frames are huge."""
    if not container.streams.video:
        raise VideoError(
            f"{path}: has no video stream (sound only?); "
            "record one face, talking, for 5 to 20 seconds"
        )
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: its pictures are in a format that is not known here")
    if stream.width * stream.height > LARGEST_FRAME:
        raise VideoError(f"{path}: frames of {stream.width} x {stream.height} are too large")
    return stream


def _count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def _upright(frame: Any, crop: Crop | None = None) -> np.ndarray:
    """A decoded frame (H, W, 3) uint8, turned as its rotation flag says; shrunk, or cut."""
    scale = 1.0 if crop else min(1.0, LONG_SIDE / max(frame.width, frame.height))
    small = frame.reformat(
        width=round(frame.width * scale), height=round(frame.height * scale), format="rgb24"
    )
    turns = round((frame.rotation or 0) / 90) % 4
    picture = np.rot90(small.to_ndarray(), turns)
    if crop:
        width, height, left, top = crop
        picture = picture[top : top + height, left : left + width]
    return np.ascontiguousarray(picture)


def _read_folder(path: Path, max_frames: int, frames: list, times: list) -> None:
    """Append the images of a folder, and their times."""
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in FOLDER_TYPES)
    if not files:
        raise VideoError(f"{path}: holds no images ({', '.join(sorted(FOLDER_TYPES))})")
    keep = np.linspace(0, len(files) - 1, min(max_frames, len(files))).round().astype(int)
    for k in keep:
        try:
            frames.append(np.asarray(open_picture(files[k])))
        except UnsafeFileError as e:
            raise VideoError(
                f"{files[k]}: not an image that can be read ({e}); remove it from the folder"
            ) from e
        if frames[-1].shape != frames[0].shape:
            first = files[keep[0]].name
            raise VideoError(f"{files[k]}: differs in size from {first}; give images of one size")
        times.append(k / FOLDER_RATE)


def _note_gap(path: Path, times: np.ndarray) -> None:
    gaps = np.diff(times)
    if len(gaps) and gaps.max() > GAP_FACTOR * max(np.median(gaps), 1e-6):
        k = int(gaps.argmax())
        print(
            f"note: {path}: frame times jump by {gaps[k]:.2f} s after frame {k}; "
            "motion smoothing treats frames as evenly spaced"
        )


def write_video(
    path: Path,
    frames: np.ndarray,
    fps: float = FOLDER_RATE,
    sound: np.ndarray | None = None,
    sound_rate: int = 16_000,
) -> None:
    """Write (F, H, W, 3) uint8 as an H.264 mp4 that plays in a browser, with its sound (N,) of
    samples in [-1, 1] as AAC where there is one.

    Odd sizes are trimmed by a pixel. The file appears only when it is whole.
    """
    height, width = (n // 2 * 2 for n in frames.shape[1:3])
    temporary = Path(path).with_suffix(".part.mp4")
    with av.open(str(temporary), "w") as container:
        stream: Any = container.add_stream("libx264", rate=round(fps))
        stream.width = width
        stream.height = height
        stream.pix_fmt = "yuv420p"
        stream.options = CODEC
        voice = None if sound is None else container.add_stream("aac", rate=sound_rate)
        for k, image in enumerate(frames):
            rgb = np.ascontiguousarray(image[:height, :width])
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts = k  # in units of 1 / rate
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
        if sound is not None:
            _mux_sound(container, voice, sound, sound_rate)
    temporary.replace(path)


def _mux_sound(container: Any, stream: Any, sound: np.ndarray, rate: int) -> None:
    samples = np.ascontiguousarray(sound[None], dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate = rate
    frame.pts = 0
    for piece in (frame, None):
        for packet in stream.encode(piece):
            container.mux(packet)
