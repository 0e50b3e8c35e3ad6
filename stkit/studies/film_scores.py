"""A film against its truth, by the measures that papers on talking heads report.

SSIM, PSNR and CPBD of the pictures; CSIM, how alike faces are; distances of landmarks in pixels:
LMD of the whole face (F), of the mouth (M), and vico_challenge_baseline's LipLMD; and what the
kit adds: how mouth and lids follow, and whether the mouth runs ahead or behind.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from stkit.capture.detect import seen_points
from stkit.errors import RequestError
from stkit.face_models.landmarks import MEDIAPIPE_68, openings
from stkit.io.video import read_video
from stkit.metrics.identity import embedding, has_embedding
from stkit.metrics.pictures import correlation, psnr, ssim
from stkit.metrics.sharpness import cpbd

MOUTH = slice(48, 68)  # of the 68 landmarks
MOST_FRAMES = 250
MOST_LAG = 8  # frames by which a mouth may run ahead or behind
FEWEST = 3  # frames that can be compared
PICTURES, FACES = 60, 20  # frames whose pictures, and whose faces, are compared


@dataclass(frozen=True)
class Film:
    """Frames (F, H, W, 3) uint8 and the 68 landmarks (F, 68, 2) in pixels; NaN without a face."""

    frames: np.ndarray
    landmarks: np.ndarray

    @staticmethod
    def read(path: Path, size: tuple[int, int] | None = None) -> "Film":
        """A video, at most `MOST_FRAMES` evenly; size: width and height to bring it to."""
        frames, _ = read_video(path, MOST_FRAMES)
        if size and frames.shape[2::-1][:2] != size:
            frames = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])
        return Film(frames, seen_points(frames)[:, MEDIAPIPE_68])


def film_scores(path: Path, truth: Path) -> dict[str, float]:
    """The measures of a film against its truth, frame for frame; NaN where one cannot be had.

    The film is brought to the truth's size. Raises RequestError where lengths differ, or too few
    frames show a face in both.
    """
    wanted = Film.read(truth)
    found = Film.read(path, (wanted.frames.shape[2], wanted.frames.shape[1]))
    if len(found.frames) != len(wanted.frames):
        raise RequestError(
            f"{path} has {len(found.frames)} frames, {truth} {len(wanted.frames)}: they are "
            "compared frame for frame; cut both alike"
        )
    both = np.isfinite(found.landmarks).all((1, 2)) & np.isfinite(wanted.landmarks).all((1, 2))
    if both.sum() < FEWEST:
        raise RequestError(f"{path}: a face is seen in both films in only {both.sum()} frames")
    return {
        "frames": float(len(found.frames)),
        "faces": float(both.mean()),
        **picture_scores(found, wanted),
        "CSIM": face_similarity(found, wanted, np.flatnonzero(both)),
        **landmark_scores(found.landmarks[both], wanted.landmarks[both]),
        **following_scores(found.landmarks, wanted.landmarks, both),
    }


def picture_scores(found: Film, truth: Film) -> dict[str, float]:
    """SSIM, PSNR (dB) and CPBD, the truth's CPBD beside it, over evenly spaced frames."""
    chosen = _evenly(len(truth.frames), PICTURES)
    pairs = [(_unit(found.frames[t]), _unit(truth.frames[t])) for t in chosen]
    return {
        "SSIM": float(np.mean([float(ssim(a, b)) for a, b in pairs])),
        "PSNR": float(np.mean([psnr(a, b) for a, b in pairs])),
        "CPBD": float(np.nanmean([cpbd(found.frames[t]) for t in chosen])),
        "CPBD of the truth": float(np.nanmean([cpbd(truth.frames[t]) for t in chosen])),
    }


def face_similarity(found: Film, truth: Film, frames: np.ndarray) -> float:
    """Mean cosine of dlib's embeddings of the same frames; NaN where dlib is not installed.

    Papers take ArcFace's embedding, whose values are others.
    """
    if not has_embedding():
        return float("nan")
    values = []
    for t in frames[_evenly(len(frames), FACES)]:
        a, b = (embedding(film.frames[t], film.landmarks[t]) for film in (found, truth))
        values.append(float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))
    return float(np.mean(values))


def landmark_scores(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Mean distances of landmarks (F, 68, 2), pixels: of all, of the mouth, and the mouth's by
    axis.
    """
    apart = found - truth
    across, down = np.abs(apart[:, MOUTH]).mean((0, 1))
    return {
        "F-LMD": float(np.linalg.norm(apart, axis=-1).mean()),
        "M-LMD": float(np.linalg.norm(apart[:, MOUTH], axis=-1).mean()),
        "LipLMD x": float(across),
        "LipLMD y": float(down),
    }


def following_scores(found: np.ndarray, truth: np.ndarray, both: np.ndarray) -> dict[str, float]:
    """Correlations of the openings of mouth and lids, and the lag (frames) at which the mouths
    agree best: positive where the film comes late. One more row of NaN counts as no face.
    """
    a, b = (openings(torch.from_numpy(x)).float() for x in (found, truth))
    mouths = {lag: _lagged(a[:, 0], b[:, 0], both, lag) for lag in range(-MOST_LAG, MOST_LAG + 1)}
    return {
        "mouth": mouths[0],
        "lids": correlation(a[both, 1], b[both, 1]),
        "lag": float(max(mouths, key=lambda lag: mouths[lag])),
    }


def _lagged(a: torch.Tensor, b: torch.Tensor, both: np.ndarray, lag: int) -> float:
    """Correlation of a, `lag` frames later, with b."""
    count = len(a) - abs(lag)
    late, early = max(lag, 0), max(-lag, 0)
    pair = both[late : late + count] & both[early : early + count]
    if pair.sum() < FEWEST:
        return -1.0
    return correlation(a[late : late + count][pair], b[early : early + count][pair])


def _evenly(length: int, count: int) -> np.ndarray:
    return np.linspace(0, length - 1, min(count, length)).round().astype(int)


def _unit(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).float() / 255
