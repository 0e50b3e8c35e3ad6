"""Stage 06: clips of the head in motion, a point cloud, avatar.html, and whether mouth and lids
follow.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from stkit.capture import Capture
from stkit.driving import motion as moves
from stkit.driving.motion import Motion, play
from stkit.export.ply import write_ply
from stkit.heads.gaussian import GaussianHead
from stkit.io.images import evenly, figure, sheet
from stkit.runs.scores import Follows, follows
from stkit.runs.store import Work
from stkit.viewers.page import save_avatar

FPS = 25.0
TOO_FEW = "the detector found a face in fewer than five frames"


@dataclass(frozen=True)
class Performers:
    """Who is seen: the head, its edited twin (or None), the head's capture, and who drives (None:
    its own clip).
    """

    head: GaussianHead
    edited: GaussianHead | None
    subject: Capture
    driver: Capture | None

    @property
    def heads(self) -> list[GaussianHead]:
        """The head and, where there is one, the edited head."""
        return [self.head] if self.edited is None else [self.head, self.edited]

    @property
    def shown(self) -> GaussianHead:
        """The last of them."""
        return self.heads[-1]


@dataclass(frozen=True)
class Words:
    """What the pictures are called: the run, and the edit's prompt and editor."""

    run: str
    prompt: str = ""
    editor: str = ""


def animation(
    work: Work, performers: Performers, count: int, seed: int, words: Words, progress
) -> None:
    """Driven, orbiting and scripted clips of `count` frames, head.ply, avatar.html, and what
    follows the driver.
    """
    subject, own = performers.subject, performers.driver is None
    driver = performers.driver or subject
    motion = moves.own_motion(subject) if own else moves.retarget(driver, subject)
    what = "its own clip" if own else "another clip"
    indices = evenly(list(range(len(motion))), count)
    motion, source = motion.subset(indices), driver.subset(indices)
    clips = _driven(work, performers, motion, source, what, progress)
    _from_a_moving_camera(work, performers, count, progress)
    script = moves.scripted(subject, count, seed)
    work.video(
        "scripted",
        work.labelled(play(performers.shown, subject, script, progress=progress)),
        FPS,
        "Video: the head speaks, blinks and turns by a script",
        "A scripted performance that nobody gave: speech-like lips, blinks, turns.",
    )
    _point_cloud(work, performers)
    _avatar(work, performers, script if own and subject.still else motion, words, what)
    _what_follows(work, performers, motion, source)
    work.fact("driver", what)
    keys = evenly(list(range(len(indices))), 5)
    work.figure(
        "driven",
        sheet(
            [[clip[k] for k in keys] for clip in clips],
            [f"frame {indices[k]}" for k in keys],
            ["driver", "head", "edited"][: len(clips)],
        ),
        "Five moments of the driver above the head and the edited head doing the same",
        f"Driven by {what}.",
    )


@torch.no_grad()
def _point_cloud(work: Work, performers: Performers) -> None:
    subject = performers.subject
    gaussians = performers.shown.gaussians(subject.frame_pose(subject.neutral))
    write_ply(gaussians, work.folder / "head.ply")
    work.record("animate.points", len(gaussians))


def _driven(
    work: Work, performers: Performers, motion: Motion, source: Capture, what: str, progress
) -> list[np.ndarray]:
    """The driver's frames and each head doing the same, as clips (F, H, W, 3) uint8; writes
    driven.mp4.
    """
    frames = np.stack([source.image(k).numpy() for k in range(len(source))])
    clips = [(frames * 255).astype(np.uint8)]
    for head in performers.heads:
        clips.append(work.labelled(play(head, performers.subject, motion, progress=progress)))
    seconds = max(float(source.times[-1] - source.times[0]), 0.5)
    rate = max(5.0, min(FPS, len(source) / seconds))
    names = ["driver", "head", "edited head"][: len(clips)]
    work.video(
        "driven",
        moves.side_by_side(*clips),
        rate,
        f"Video: {', '.join(names)}, side by side, doing the same",
        f"{', '.join(names).capitalize()}; driven by {what}.",
    )
    return clips


def _from_a_moving_camera(work: Work, performers: Performers, count: int, progress) -> None:
    subject = performers.subject
    cameras = moves.orbit_path(subject, count)
    motion = moves.hold_neutral(subject, count)
    turned = [
        work.labelled(play(head, subject, motion, cameras, progress)) for head in performers.heads
    ]
    work.video(
        "orbit",
        moves.side_by_side(*turned),
        FPS,
        "Video: the camera swings to 45 degrees on both sides of the head",
        "The neutral frame from a moving camera.",
    )


def _avatar(work: Work, performers: Performers, motion: Motion, words: Words, what: str) -> None:
    """avatar.html; a wipe between before and after needs heads of the same points, which
    GaussianEditor's are not.
    """
    head, edited = performers.head, performers.edited
    twins = edited is None or len(edited.xyz) == len(head.xyz)
    source = Path(performers.subject.source).name
    avatar = save_avatar(
        head if twins else performers.shown,
        performers.subject,
        work.folder / "avatar.html",
        edited if twins else None,
        motion,
        title=f"{words.run}: a talking head",
        prompt=words.prompt if edited is not None else "",
        editor=words.editor,
        provenance=f"Synthetic: made by stkit from {source}, driven by {what}.",
    )
    work.record("avatar.bytes", avatar.bytes)
    work.record("avatar.psnr", float(np.mean(avatar.psnr)))
    work.record("avatar.psnr_worst", min(avatar.psnr))


def _what_follows(work: Work, performers: Performers, motion: Motion, source: Capture) -> None:
    found = follows(performers.head, performers.subject, motion, source)
    work.record("animate.mouth_corr", found.mouth, TOO_FEW)
    work.record("animate.lids_corr", found.lids, TOO_FEW)
    work.figure(
        "mouth",
        figure(lambda fig: _draw_openings(fig, found)),
        "Curves of the opening of mouth and lids of driver and result over the frames",
        "Do mouth and lids follow?",
    )


def _draw_openings(fig: Figure, found: Follows) -> None:
    axes = fig.subplots(1, 2)
    names = (("mouth", "eye distance", found.mouth), ("lids", "width of the eye", found.lids))
    for k, (ax, (name, unit, agreement)) in enumerate(zip(axes, names)):
        ax.plot(found.driver[:, k], label="driver")
        ax.plot(found.result[:, k], label="result (unedited head, seen by MediaPipe)")
        text = "unknown" if agreement is None else f"{agreement:.2f}"
        ax.set(xlabel="frame", ylabel=f"gap / {unit}", title=f"{name}, correlation {text}")
    axes[0].legend(fontsize=8, frameon=False)
