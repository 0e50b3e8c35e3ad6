"""Where a clip comes from: what a person wrote, parsed once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from stkit.driving.tracked import is_tracked
from stkit.io.insta import first_test_second, is_insta, read_insta
from stkit.io.video import VideoError, is_picture, read_photo, read_video
from stkit.runs.digests import digest_path
from stkit.runs.folders import is_run, run_folder
from stkit.runs.samples import PREFIX, sample_clip
from stkit.synthetic.subject import film, named_subject, synthetic_seed
from stkit.voice.sound import is_sound

Kind = Literal["synthetic", "video", "images", "photo", "insta", "coefficients", "sound", "run"]


@dataclass(frozen=True)
class Source:
    """A clip's origin. text: as a person writes it; name: short, for captions and folders.

    kind: 'synthetic' (the kit's made-up person), 'video' (a file), 'images' (a folder of pictures),
    'photo' (one picture), 'insta' (a folder in the layout of INSTA's data sets, with its own
    split), 'coefficients' (another tracker's file or folder), 'sound' (a voice that Style-E gives a
    face), 'run' (another run's capture; drivers only).
    """

    kind: Kind
    text: str
    name: str

    @staticmethod
    def parse(text: str, may_be_run: bool = False) -> "Source":
        """Read 'synthetic', 'synthetic:SEED', 'sample:NAME', a path, or (for drivers) a run's name.

        Raises VideoError with what may be given, and ValueError for a seed that is no number.
        """
        if synthetic_seed(text) is not None:
            return Source("synthetic", text, text.replace(":", "-"))
        if text.startswith(PREFIX):
            text = str(sample_clip(text.removeprefix(PREFIX)))
        path = Path(text)
        if path.exists():
            kind: Kind = "video"
            if is_tracked(path):
                kind = "coefficients"
            elif is_sound(path):
                kind = "sound"
            elif is_picture(path):
                kind = "photo"
            elif is_insta(path):
                kind = "insta"
            elif path.is_dir():
                kind = "images"
                if not any(is_picture(file) for file in path.iterdir()):
                    raise VideoError(f"{text}: holds no images")
            return Source(kind, text, path.resolve().stem)
        if may_be_run and "/" not in text and is_run(text):
            return Source("run", text, text)
        choices = "a video, a picture, a folder of images, or 'synthetic'"
        if may_be_run:
            choices += (
                ", a sound, tracked parameters (.csv, .json, .npz, .mat, .npy, a 3DMM folder)"
            )
            choices += ", or a run's name"
            choices += f" (no run in {run_folder('x').parent} is called so)"
        raise VideoError(f"{text}: no such file or folder. Give {choices}")

    @property
    def clip_name(self) -> str:
        """What a capture calls its source: the synthetic subject by its seed, a file by its
        name.
        """
        return self.text if self.kind == "synthetic" else Path(self.text).name

    def resolved(self) -> "Source":
        """The same with an absolute path, to be read from another working directory."""
        if self.kind in ("synthetic", "run"):
            return self
        return Source(self.kind, str(Path(self.text).resolve()), self.name)

    def own_split(self) -> str:
        """The data set's own held-out frames, as `choose_held_out` takes them, or ""."""
        return f"from:{first_test_second(Path(self.text)):g}" if self.kind == "insta" else ""

    def digest(self) -> str:
        """What identifies the content: the seed, or every file."""
        if self.kind == "synthetic":
            return f"synthetic:{synthetic_seed(self.text)}"
        return digest_path(Path(self.text))

    def frames(
        self, max_frames: int, size: int, progress=lambda x, **k: x
    ) -> tuple[np.ndarray, np.ndarray]:
        """Up to `max_frames` frames (F, H, W, 3) uint8 and their times (F,) seconds.

        The made-up person is filmed in front of a backdrop in pictures of `size` pixels, and
        tracked like any video: nothing of its truth is used.
        """
        if self.kind == "insta":
            return read_insta(Path(self.text), max_frames)
        if self.kind == "photo":
            return read_photo(Path(self.text))
        if self.kind != "synthetic":
            return read_video(Path(self.text), max_frames)
        subject = named_subject(self.text, max_frames)
        moments = range(len(subject.performance.times))
        shots = [film(subject, size, t) for t in progress(moments, desc="filming the subject")]
        video = np.stack([(shot * 255).round().byte().numpy() for shot in shots])
        return video, subject.performance.times.numpy()
