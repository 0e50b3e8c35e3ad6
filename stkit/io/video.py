"""Reading and writing video with PyAV; every fault names the file, what is wrong and what to do."""

from pathlib import Path

import av
import numpy as np

from stkit.errors import RequestError

LONG_SIDE = 1280  # decoded frames are shrunk to this, so that a 4K phone clip fits in memory
FOLDER_TYPES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


class VideoError(RequestError):
    """A clip that cannot be used; the message says why and what to do."""


def frames_at(path: Path, times: list[float]) -> list[np.ndarray]:
    """The frames (H, W, 3) uint8 nearest to the rising `times` (seconds). VideoError if the file cannot be read."""
    out: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            half = 0.5 / float(stream.average_rate or 25)
            last = None
            for frame in container.decode(stream):
                while len(out) < len(times) and float(frame.time or 0.0) >= times[len(out)] - half:
                    out.append(_upright(frame))
                last = frame
                if len(out) == len(times):
                    break
            if (
                last is not None
                and len(out) == len(times) - 1
                and times[-1] - float(last.time or 0.0) < 4 * half
            ):
                out.append(_upright(last))
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as e:
        raise VideoError(f"{path}: not a video that can be read ({e})") from e
    if len(out) < len(times):
        raise VideoError(f"{path}: ends before second {times[len(out)]:.2f}, which is asked for")
    return out


def read_video(path: Path, max_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to `max_frames` frames spread evenly over the clip: (F, H, W, 3) uint8, upright, and their times (F,) in seconds.

    Accepts what ffmpeg can decode, or a folder of images (in name order, taken as 25 a second). Rotation flags are applied.
    Raises VideoError for a missing file, a file that is no video, and clips of fewer than 8 frames.
    """
    path = Path(path)
    if not path.exists():
        raise VideoError(f"{path}: no such file or folder")
    if path.is_dir():
        return _read_folder(path, max_frames)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(
                    f"{path}: has no video stream (sound only?); record one face, talking, for 5 to 20 seconds"
                )
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            count = stream.frames or _count(path)
            keep = set(
                np.linspace(0, max(count - 1, 0), min(max_frames, max(count, 1)))
                .round()
                .astype(int)
                .tolist()
            )
            frames, times = [], []
            for k, frame in enumerate(container.decode(stream)):
                if k in keep:
                    frames.append(_upright(frame))
                    times.append(float(frame.time if frame.time is not None else k / 25))
    except VideoError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as e:
        if "frames" in locals() and len(frames) >= 8:
            print(
                f"note: {path} is damaged after frame {len(frames)} ({e}); the part before is used"
            )
        else:
            raise VideoError(
                f"{path}: not a video that can be read ({e}); give an mp4, mov or webm, or a folder of images"
            ) from e
    return _checked(path, frames, times)


def _count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def _upright(frame) -> np.ndarray:
    scale = min(1.0, LONG_SIDE / max(frame.width, frame.height))
    image = frame.reformat(
        width=round(frame.width * scale), height=round(frame.height * scale), format="rgb24"
    ).to_ndarray()
    turns = round((getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns))


def _read_folder(path: Path, max_frames: int) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    files = sorted(p for p in path.iterdir() if p.suffix.lower() in FOLDER_TYPES)
    if not files:
        raise VideoError(f"{path}: holds no images ({', '.join(sorted(FOLDER_TYPES))})")
    keep = np.linspace(0, len(files) - 1, min(max_frames, len(files))).round().astype(int)
    frames = []
    for k in keep:
        try:
            with Image.open(files[k]) as image:
                image.thumbnail((LONG_SIDE, LONG_SIDE))
                frames.append(np.asarray(image.convert("RGB")))
        except OSError as e:
            raise VideoError(
                f"{files[k]}: not an image that can be read ({e}); remove it from the folder"
            ) from e
    if len({f.shape for f in frames}) > 1:
        odd = next(files[k] for k, f in zip(keep, frames) if f.shape != frames[0].shape)
        raise VideoError(
            f"{odd}: differs in size from {files[keep[0]].name}; give images of one size"
        )
    return _checked(path, frames, [k / 25 for k in keep])


def _checked(path, frames, times) -> tuple[np.ndarray, np.ndarray]:
    if len(frames) < 8:
        raise VideoError(
            f"{path}: {len(frames)} frames are too few to learn an avatar from; record at least 2 seconds (8 frames)"
        )
    times = np.array(times, np.float32)
    gaps = np.diff(times)
    if len(gaps) and gaps.max() > 4 * max(np.median(gaps), 1e-6):
        k = int(gaps.argmax())
        print(
            f"note: {path}: frame times jump by {gaps[k]:.2f} s after frame {k}; motion smoothing treats frames as evenly spaced"
        )
    return np.stack(frames), times


def write_video(path: Path, frames: np.ndarray, fps: float = 25.0) -> None:
    """Write (F, H, W, 3) uint8 as H.264 mp4, playable in a browser; odd sizes are trimmed by a pixel."""
    height, width = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2
    temporary = Path(path).with_suffix(".part.mp4")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=round(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast", "movflags": "+faststart"}
        for image in frames:
            rgb = np.ascontiguousarray(image[:height, :width])
            # converted here: the encoder's own conversion gives other bytes now and then
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    temporary.replace(path)
