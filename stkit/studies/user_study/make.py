"""From a folder of clips to a page that volunteers open from disk, with a key that they do not
get.
"""

import json
import secrets
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader

from stkit.errors import RequestError
from stkit.io.tensors import write_json, write_text
from stkit.studies.user_study.questions import Question, read_questions

PAGE, KEY, CLIPS = "study.html", "key.json", "clips"
CODE_BYTES = 6  # of a random name
CONSENT = (
    "You will see short clips of computer-made talking heads, several at a time, and choose the "
    "one that you prefer. It takes about ten minutes. You may stop whenever you like. Your "
    "choices and the time they take are kept, and nothing that tells who you are. They are in a "
    "file that you save at the end and send back yourself."
)
ASKED = "Which result do you prefer?"


@dataclass(frozen=True)
class Study:
    """Where `make_study` wrote: the folder to give away, and the key to keep."""

    page: Path
    key: Path


def make_study(results: Path, out: Path, consent: str = CONSENT, asked: str = ASKED) -> Study:
    """Write OUT/volunteers (the page and its clips, which go to the volunteers) and OUT/key.json.

    Clips get random names, so neither the page nor its files tell which method made them. Raises
    RequestError where OUT holds a study already: a new key would make its answers unreadable.
    """
    questions = read_questions(results)
    if (out / KEY).exists():
        raise RequestError(f"{out / KEY} is there already; take another folder for a new study")
    folder = out / "volunteers"
    (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    study, known, shown = secrets.token_hex(CODE_BYTES), {}, []
    for question in questions:
        names = _copy(question, folder / CLIPS)
        code = secrets.token_hex(CODE_BYTES)
        known[code] = {"name": question.name, "methods": names}
        shown.append({"code": code, "text": question.text, "clips": sorted(names)})
    write_text(folder / PAGE, page({"study": study, "questions": shown}, consent, asked))
    write_json(out / KEY, {"study": study, "questions": known})
    return Study(folder / PAGE, out / KEY)


def _copy(question: Question, folder: Path) -> dict[str, str]:
    """Copy a question's clips under random names; the method of each name."""
    names = {}
    for method, clip in question.clips.items():
        name = secrets.token_hex(CODE_BYTES) + clip.suffix
        shutil.copyfile(clip, folder / name)
        names[name] = method
    return names


def page(study: dict, consent: str, asked: str) -> str:
    """The page as HTML; its script and style are inside of it."""
    here = resources.files("stkit.studies.user_study")
    environment = Environment(
        loader=PackageLoader("stkit.studies.user_study", "."), autoescape=True
    )
    return environment.get_template("page.html").render(
        data=json.dumps(study).replace("<", "\\u003c"),
        consent=consent,
        asked=asked,
        script=(here / "page.js").read_text(),
        style=(here / "page.css").read_text(),
    )
