"""Clips of MEAD and HDTF by name, and where each of their files belongs.

MEAD as it is distributed has ACTOR/video/front/EMOTION/level_L/NNN.mp4 with its sound in
ACTOR/audio/EMOTION/level_L/NNN.m4a; HDTF is a folder of films, NAME.mp4. What is written is
Style2Talker's: processed_MEAD_front/ACTOR/{video,3DMM,mel,ldmk}/EMOTION/level_L/NNN.* and
HDTF/{video,3DMM,mel,landmark}/NAME#K.*.
"""

from dataclasses import dataclass
from pathlib import Path

from stkit.errors import RequestError

LAYOUTS = ("mead", "hdtf")
FILMS = (".mp4", ".mov", ".mkv", ".webm")
SOUNDS = (".m4a", ".wav", ".mp3")
MEAD_ROOT, HDTF_ROOT = "processed_MEAD_front", "HDTF"
HELD_OUT_NEUTRAL, HELD_OUT_OTHERS = 10, 6  # last clips of an actor and emotion that are for tests


@dataclass(frozen=True)
class Film:
    """One film as it is found: name, without its ending; picture, and sound where it is apart.

    actor, emotion, level, number: MEAD's; "" and 0 for HDTF.
    """

    name: str
    picture: Path
    sound: Path | None = None
    actor: str = ""
    emotion: str = ""
    level: int = 0
    number: str = ""

    @property
    def key(self) -> str:
        """The release's name of a clip of MEAD, such as M026#happy#level_3#010; HDTF's own."""
        if not self.actor:
            return self.name
        return f"{self.actor}#{self.emotion}#level_{self.level}#{self.number}"

    @property
    def annotation_key(self) -> str:
        """Under which the release keeps a clip's sentences, such as M026_happy_level_3_010."""
        return self.key.replace("#", "_")


def find_films(folder: Path, layout: str) -> list[Film]:
    """The films of a folder in one of the `LAYOUTS`. Raises RequestError where there is none."""
    if layout not in LAYOUTS:
        raise RequestError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder")
    found = _mead(folder) if layout == "mead" else _hdtf(folder)
    if not found:
        wanted = "ACTOR/video/front/EMOTION/level_L/NNN.mp4" if layout == "mead" else "NAME.mp4"
        raise RequestError(f"{folder}: holds no film as {layout} has them ({wanted})")
    return found


def _hdtf(folder: Path) -> list[Film]:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in FILMS)
    return [Film(p.stem, p) for p in files]


def _mead(folder: Path) -> list[Film]:
    films = []
    for file in sorted(folder.glob("*/video/front/*/level_*/*")):
        level = file.parent.name.removeprefix("level_")
        if file.suffix.lower() not in FILMS or not level.isdecimal():
            continue
        actor, emotion = file.parts[-6], file.parts[-3]
        place = folder / actor / "audio" / emotion / file.parent.name
        sounds = (place / f"{file.stem}{end}" for end in SOUNDS)
        sound = next((s for s in sounds if s.exists()), None)
        name = f"{actor}_{emotion}_{level}_{file.stem}"
        films.append(Film(name, file, sound, actor, emotion, int(level), file.stem))
    return films


def places(film: Film, part: int, out: Path) -> dict[str, Path]:
    """Where the files of part `part` of a film belong, by what they hold."""
    if film.actor:
        root = out / MEAD_ROOT / film.actor
        tail = Path(film.emotion) / f"level_{film.level}" / film.number
        names = {"video": "video", "coefficients": "3DMM", "mel": "mel", "landmarks": "ldmk"}
    else:
        root, tail = out / HDTF_ROOT, Path(f"{film.name}#{part}")
        names = {"video": "video", "coefficients": "3DMM", "mel": "mel", "landmarks": "landmark"}
    endings = {"video": ".mp4", "coefficients": ".npy", "mel": ".npy", "landmarks": ".npy"}
    return {
        kind: root / name / tail.parent / f"{tail.name}{endings[kind]}"
        for kind, name in names.items()
    }


def split(films: list[Film]) -> dict[str, list[str]]:
    """Names of clips for training and for tests, as the release's lists have them: of MEAD the last
    ten neutral ones of an actor and the last six of each other emotion; of HDTF the last tenth.
    """
    lists: dict[str, list[str]] = {"train": [], "test": []}
    groups: dict[tuple, list[Film]] = {}
    for film in films:
        groups.setdefault((film.actor, film.emotion), []).append(film)
    for (actor, emotion), group in groups.items():
        held_out = HELD_OUT_NEUTRAL if emotion == "neutral" else HELD_OUT_OTHERS
        count = held_out if actor else max(1, len(group) // 10)
        cut = max(0, len(group) - count)
        lists["train"] += [f.key for f in group[:cut]]
        lists["test"] += [f.key for f in group[cut:]]
    return lists
