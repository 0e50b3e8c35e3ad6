"""What a study asks: a folder of clips, read and checked."""

from dataclasses import dataclass
from pathlib import Path

from stkit.errors import MissingFileError, RequestError

CLIPS = (".mp4", ".webm")
TEXT = "question.txt"


@dataclass(frozen=True)
class Question:
    """clips: one file a method, by its name; text: what a volunteer reads above them."""

    name: str
    text: str
    clips: dict[str, Path]


def read_questions(folder: Path) -> list[Question]:
    """The questions in FOLDER/QUESTION/METHOD.mp4, with FOLDER/QUESTION/question.txt beside them.

    Raises RequestError naming the folder where one has fewer than two clips, or where the questions
    do not show the same methods.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; `stkit study film` makes one")
    questions = [_question(place) for place in sorted(folder.iterdir()) if place.is_dir()]
    if not questions:
        raise RequestError(
            f"{folder}: no questions here. A question is a folder with one clip a method: "
            f"{folder}/QUESTION/METHOD.mp4"
        )
    methods = set(questions[0].clips)
    for question in questions:
        if set(question.clips) != methods:
            raise RequestError(
                f"{folder / question.name} shows {', '.join(sorted(question.clips))}, while "
                f"{folder / questions[0].name} shows {', '.join(sorted(methods))}: every question "
                "must show the same methods"
            )
    return questions


def _question(place: Path) -> Question:
    clips = {file.stem: file for file in sorted(place.iterdir()) if file.suffix in CLIPS}
    if len(clips) < 2:
        raise RequestError(f"{place}: {len(clips)} clips; a question compares at least two")
    text = place / TEXT
    words = text.read_text().strip() if text.exists() else place.name
    return Question(place.name, words, clips)
