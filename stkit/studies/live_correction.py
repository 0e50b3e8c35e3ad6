"""Learn what the live fit mistakes: `python -m stkit.studies.live_correction --people 40`.

Some actions look alike to a landmark detector: a jaw that opens, and lips that part. Made-up
people, whose actions are known, perform before a made-up camera; ridge regression learns a matrix
from what `capture.live` finds, as change since the neutral frame, to what they did. About ten
minutes.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from stkit.capture.live import CALIBRATION_FRAMES, CORRECTION, SIZE, LiveTracker, save_correction
from stkit.io.images import u8
from stkit.progress import bar
from stkit.synthetic.subject import film, make_subject

FIRST = 20_000  # seed of the first person; studies ask others
FRAMES, SECONDS = 80, 6.0
RIDGE = 0.02  # of the mean square of what is found, times the number of frames


def performance(seed: int) -> tuple[Tensor, Tensor]:
    """Changes of expression since the calmest frame (F, 64): found, and true."""
    subject = make_subject(seed, FRAMES, SECONDS)
    truth = subject.performance.beta
    calm = int(truth[:, :52].abs().sum(1).argmin())
    tracker = LiveTracker(corrected=False)
    still = u8(film(subject, SIZE, calm))
    for _ in range(CALIBRATION_FRAMES):
        tracker(still)
    frames = [tracker(u8(film(subject, SIZE, t))) for t in range(FRAMES)]
    sitter = tracker.sitter
    tracker.close()
    seen = [t for t, frame in enumerate(frames) if frame is not None]
    if sitter is None or not seen:
        return truth[:0], truth[:0]
    found = torch.stack([frame.beta for frame in frames if frame is not None])
    return found - sitter.neutral.beta, truth[seen] - truth[calm]


def learned(found: Tensor, truth: Tensor) -> Tensor:
    """The matrix (64, 64) from found to true changes (F, 64), held towards the identity."""
    hold = RIDGE * len(found) * found.square().mean() * torch.eye(found.shape[1])
    return torch.linalg.solve(found.T @ found + hold, found.T @ truth + hold)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--write", type=Path, default=CORRECTION)
    a = parser.parse_args(arguments)
    pairs = [performance(seed) for seed in bar(range(FIRST, FIRST + a.people), desc="people")]
    found, truth = (torch.cat(x) for x in zip(*pairs))
    save_correction(learned(found, truth), a.people, a.write)
    print(f"{len(found)} frames of {a.people} people; {a.write}")


if __name__ == "__main__":
    main()
