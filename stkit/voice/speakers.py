"""Speech with the time of each phone, out of synthesisers that the user installed.

espeak-ng (`pip install espeakng-loader`, GPL-3) and flite (`apt install flite`) speak what the
model learns from, and the sentences of `stkit talk --text`. They are no dependencies of the kit.
"""

import ctypes
import shutil
import subprocess
import tempfile
from ctypes import POINTER, Structure, Union, c_char, c_char_p, c_int, c_short, c_uint, c_void_p
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from stkit.errors import RequestError
from stkit.voice.phones import SILENCE, Phone, known, phones_of_ipa, spread_over
from stkit.voice.sound import RATE, read_sound

FLITE_VOICES = ("rms", "awb", "kal16", "slt")
SYNCHRONOUS, PHONE_EVENTS, AS_IPA = 2, 1, 2  # of espeak-ng's speak_lib.h
EVENT_PHONE = 7
UTF8 = 1
USUAL_RATE = 175  # words a minute
RATE_PARAMETER, PITCH_PARAMETER, PITCH_RANGE_PARAMETER = 1, 3, 4


@dataclass(frozen=True)
class Utterance:
    """What was said, by whom, its sound (N,) of 16 kHz and its phones."""

    text: str
    speaker: str
    sound: Tensor
    phones: list[Phone]


def say(
    text: str,
    speaker: str,
    rate: int = USUAL_RATE,
    pitch: int = 50,
    pitch_range: int = 50,
    throat: float = 1.0,
) -> Utterance:
    """An utterance of a speaker: 'flite:VOICE', or 'espeak:VOICE' such as 'espeak:en-us+f3'.

    rate: words a minute; pitch and its range: 0 to 100; espeak-ng alone takes these. throat: how
    much shorter the speaker's throat is, so that pitch and formants are higher; flite alone. Raises
    RequestError where the synthesiser is not installed, or does not know the voice.
    """
    kind, _, voice = speaker.partition(":")
    if kind == "flite":
        return _flite(text, voice, rate / USUAL_RATE, throat)
    if kind == "espeak":
        return _espeak().say(text, voice, rate, pitch, pitch_range)
    raise RequestError(f"{speaker!r}: a speaker is called 'flite:VOICE' or 'espeak:VOICE'")


def speakers_for(count: int) -> list[str]:
    """Different speakers for `--text`. Raises RequestError where no synthesiser is installed."""
    if shutil.which("flite"):
        names = [f"flite:{voice}" for voice in ("slt", "rms", "awb", "kal16")]
    else:
        _espeak()
        names = [f"espeak:en-us+{voice}" for voice in ("f2", "m3", "f4", "m1")]
    return [names[k % len(names)] for k in range(count)]


def _flite(text: str, voice: str, faster: float, throat: float) -> Utterance:
    """Speech is made slower, and then played faster: that raises pitch and formants."""
    program = shutil.which("flite")
    if not program:
        raise RequestError("flite is not installed: apt install flite")
    if voice not in FLITE_VOICES:
        raise RequestError(f"flite has no voice {voice!r}: {', '.join(FLITE_VOICES)}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={throat / faster:.4f}"
        command = [program, "-voice", voice, "--setf", stretch, "-t", text, "-o", str(file)]
        command += ["-psdur"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        samples = (read_sound(file).numpy() * (2**15 - 1)).astype(np.int16)
    sound = resampled(samples, round(RATE * throat))
    phones, start = [], 0.0
    for word in answer.split():
        name, end = word.rsplit(":", 1)
        phones.append(Phone(known(name), start, float(end) / throat))
        start = float(end) / throat
    return Utterance(text, f"flite:{voice}", sound, phones)


class _Id(Union):
    _fields_ = [("number", c_int), ("name", c_char_p), ("string", c_char * 8)]


class _Event(Structure):
    _fields_ = [
        ("type", c_int),
        ("unique_identifier", c_uint),
        ("text_position", c_int),
        ("length", c_int),
        ("audio_position", c_int),
        ("sample", c_int),
        ("user_data", c_void_p),
        ("id", _Id),
    ]


CALLBACK = ctypes.CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_Event))


class Espeak:
    """espeak-ng's library by its C interface, which alone says when each phone is spoken."""

    def __init__(self, library: str, data: str):
        self.library = ctypes.CDLL(library)
        options = PHONE_EVENTS | AS_IPA
        self.rate = self.library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), options)
        self.samples: list[np.ndarray] = []
        self.events: list[tuple[int, str]] = []
        self._callback = CALLBACK(self._receive)  # kept: the library holds its address alone
        self.library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self.samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
        k = 0
        while events[k].type:
            if events[k].type == EVENT_PHONE:
                name = events[k].id.string.decode("utf-8", "ignore")
                self.events.append((events[k].sample, name))
            k += 1
        return 0

    def say(self, text: str, voice: str, rate: int, pitch: int, pitch_range: int) -> Utterance:
        """An utterance; see `say` of the module."""
        if self.library.espeak_SetVoiceByName(voice.encode()):
            raise RequestError(f"espeak-ng has no voice {voice!r}")
        self.samples.clear()
        self.events.clear()
        numbers = (RATE_PARAMETER, PITCH_PARAMETER, PITCH_RANGE_PARAMETER)
        for number, value in zip(numbers, (rate, pitch, pitch_range)):
            self.library.espeak_SetParameter(number, value, 0)
        data = text.encode()
        self.library.espeak_Synth(data, len(data) + 1, 0, 0, 0, UTF8, None, None)
        self.library.espeak_Synchronize()
        wave = np.concatenate(self.samples)
        phones = self._phones(len(wave) / self.rate)
        return Utterance(text, f"espeak:{voice}", resampled(wave, self.rate), phones)

    def _phones(self, seconds: float) -> list[Phone]:
        moments = [sample / self.rate for sample, _ in self.events] + [seconds]
        phones: list[Phone] = []
        for k, (_, name) in enumerate(self.events):
            start, end = moments[k], moments[k + 1]
            names = phones_of_ipa(name) or (SILENCE,)
            if end > start:
                phones += spread_over(names, start, end, "\u02c8" in name)
        return phones


@lru_cache(maxsize=1)
def _espeak() -> Espeak:
    try:
        import espeakng_loader
    except ImportError as e:
        raise RequestError(
            "no speech synthesiser is installed: pip install espeakng-loader, or apt install flite"
        ) from e
    return Espeak(espeakng_loader.get_library_path(), espeakng_loader.get_data_path())


def resampled(wave: np.ndarray, rate: int) -> Tensor:
    """A sound (N,) int16 at another rate as (M,) in [-1, 1] of 16 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate = rate
    pieces = [p.to_ndarray()[0] for f in (frame, None) for p in resampler.resample(f)]
    return torch.from_numpy(np.concatenate(pieces).astype(np.float32))
