"""From a sound to what a head does: the shipped Style-E, or another pipeline of the same parts."""

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from stkit import face_models
from stkit.capture.capture import Capture
from stkit.diffusion.loading import load_or_explain
from stkit.driving.hair import follow_head
from stkit.driving.motion import Motion
from stkit.driving.parameters import Tracked, even_times
from stkit.errors import MissingFileError
from stkit.face_models.transfer import carry_expressions
from stkit.geometry import so3_exp, so3_log
from stkit.io.tensors import read_json
from stkit.voice.acting import blinks
from stkit.voice.emotions import columns
from stkit.voice.mel import FRAME_RATE
from stkit.voice.networks import MotionDenoiser, SpeechEncoder
from stkit.voice.pipeline import StyleEPipeline, new_schedule
from stkit.voice.sound import read_sound
from stkit.voice.states import motion_of

WEIGHTS = Path(__file__).parent / "weights"
NUMBERS = ("mean", "deviation", "diffusion")  # of a pipeline's own configuration


@lru_cache(maxsize=2)
def load_style_e(folder: Path = WEIGHTS) -> StyleEPipeline:
    """A trained pipeline. Raises MissingFileError naming the folder if it is none."""
    index = read_json(folder / "model_index.json")
    ours = index.get("_class_name") == StyleEPipeline.__name__
    if not ours or not all(name in index for name in NUMBERS):
        raise MissingFileError(f"{folder}: holds no Style-E pipeline (model_index.json)")
    remedy = "Give a folder that `python -m stkit.voice.training` wrote."
    return load_or_explain(lambda: _parts(folder, index), "Style-E's", str(folder), remedy)


def _parts(folder: Path, index: dict) -> StyleEPipeline:
    transformers_logging.disable_progress_bar()
    safe = {"use_safetensors": True}
    return StyleEPipeline(
        SpeechEncoder.from_pretrained(folder / "speech", torch_dtype=torch.float32, **safe),
        MotionDenoiser.from_pretrained(folder / "denoiser", torch_dtype=torch.float32, **safe),
        CLIPTextModel.from_pretrained(folder / "text", dtype=torch.float32, **safe),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        new_schedule(),
        *(index[name] for name in NUMBERS),
    )


def tracked_speech(path: Path, emotion: str = "", seed: int = 0) -> Tracked:
    """A sound file as tracked motion of the built-in head, in the words of `emotion`.

    Raises SoundError naming the file.
    """
    states = load_style_e()(read_sound(path), emotion, seed)
    beta, pose = motion_of(with_blinks(states, seed))
    return Tracked(beta, pose[:, :3], even_times(len(beta), FRAME_RATE), str(path))


def with_blinks(states: Tensor, seed: int) -> Tensor:
    """States (F, 71) with the teacher's blinks: the model that ships does not blink by itself."""
    lids = columns("eyeBlink")
    drawn = blinks(len(states), torch.Generator().manual_seed(seed))[:, None]
    blinking = states.clone()
    blinking[:, lids] = torch.maximum(states[:, lids], drawn)
    return blinking


def spoken_motion(subject: Capture, states: Tensor) -> Motion:
    """States (F, 71) of the model as the motion of a head, from its neutral frame on.

    Expressions are carried over to the face model that the subject was tracked with.
    """
    beta, pose = motion_of(states)
    m = subject.neutral
    carried = carry_expressions(beta, face_models.builtin(), subject.face())
    rest = subject.pose[m]
    rotation = so3_log(so3_exp(pose[:, :3]) @ so3_exp(rest[:3]))
    place = rest[3:] + subject.scale * pose[:, 3:]
    turned = torch.cat([rotation, place], 1)
    torso = subject.torso[m].expand(len(beta), -1)
    return Motion(subject.beta[m] + carried, turned, torso, follow_head(subject, turned, torso))
