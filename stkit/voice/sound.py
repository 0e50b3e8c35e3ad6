"""Sound out of any file that ffmpeg reads: one channel, 16 kHz, as the mouth's model wants it."""

import base64
import io
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from stkit.errors import MissingFileError, RequestError

RATE = 16_000  # samples a second
LONGEST = 900.0  # seconds; a longer film has to be cut
SHORTEST = 0.2  # seconds: one window of the mel spectrogram for a frame
LOUDEST = 100.0  # samples lie in [-1, 1]; a file of floats that goes beyond this is damaged
ENDINGS = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus")  # of files with sound alone


class SoundError(RequestError):
    """A sound that cannot be used; the message says why and what to do."""


def is_sound(path: str | Path) -> bool:
    """Whether a name ends like that of a file which holds sound alone."""
    return Path(path).suffix.lower() in ENDINGS


def read_sound(path: str | Path) -> Tensor:
    """The first sound track (N,) of a sound or video file, 16 kHz, in [-1, 1].

    Several channels are averaged. A film whose sound begins later than its pictures gets silence
    before it, so that both keep step.

    Raises SoundError naming the file for what cannot be read, holds
    no sound, less than 0.2 or more than 900 seconds, or numbers that are not finite.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path}: no such file")
    parts: list[np.ndarray] = []
    try:
        _decode(path, parts)
    except (av.error.FFmpegError, OSError, ValueError) as e:
        raise SoundError(
            f"{path}: holds no sound that can be read ({e}); give a wav, mp3, or a video with sound"
        ) from e
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    seconds = len(samples) / RATE
    if seconds < SHORTEST:
        raise SoundError(
            f"{path}: holds {seconds:.3f} seconds of sound, at least {SHORTEST} are needed"
        )
    if not np.isfinite(samples).all() or np.abs(samples).max() > LOUDEST:
        raise SoundError(
            f"{path}: holds samples that are not finite or far beyond [-1, 1]; export it again"
        )
    return torch.from_numpy(samples)


def sound_url(sound: Tensor) -> str:
    """A sound (N,) of 16 kHz as a data URL (mp3, 64 kbit/s) that any browser plays."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = 64_000
        samples = np.ascontiguousarray(sound.numpy()[None], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for piece in (frame, None):
            container.mux(stream.encode(piece))
    return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _decode(path: Path, parts: list[np.ndarray]) -> None:
    """Append the sound's pieces (n,) float32; stops with SoundError where it becomes too long."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    count = 0
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise SoundError(f"{path}: has no sound track; give a wav, mp3, or a video with sound")
        stream = container.streams.audio[0]
        late = float((stream.start_time or 0) * (stream.time_base or 0))
        if container.streams.video and 0 < late < LONGEST:
            parts.append(np.zeros(round(late * RATE), np.float32))
        for frame in container.decode(stream):
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray()[0].astype(np.float32))
                count += parts[-1].size
            if count > LONGEST * RATE:
                raise SoundError(
                    f"{path}: is longer than {LONGEST:g} seconds; cut out the part to be spoken"
                )
        parts += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
