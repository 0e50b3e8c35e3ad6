"""Copies of the exercises for a course: `make course`, or `python -m stkit.runs.course`.

The sources in notebooks/exercises hold each solution once, with nbgrader's marks. From them come

    students/       without solutions and hidden tests; each gap raises NotImplementedError
    solutions/      with solutions, without hidden tests
    instructors/    everything, and a common mistake beside each solution
    nbgrader/       a course folder of nbgrader's, whose release/ is what students get

nbgrader itself makes them, and grades what comes back (docs/teach/grading.md).
"""

import argparse
import copy
import os
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from stkit.assets import notebooks_dir
from stkit.errors import RequestError

FOLDERS = ("students", "solutions", "instructors")
MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")
OWN = "stkit"  # the metadata where a source keeps a common mistake
COURSE = "nbgrader"
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "stkit"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
c.ClearSolutions.text_stub = "Write your answer here."
c.ExecutePreprocessor.timeout = 300
"""


def exercise_files() -> list[Path]:
    """The sources, in order."""
    found = sorted((notebooks_dir() / "exercises").glob("*.ipynb"))
    if not found:
        raise RequestError(f"{notebooks_dir() / 'exercises'}: no exercises here")
    return found


def gap_of(cell: NotebookNode) -> str:
    """The name of the exercise that a cell answers, or ''."""
    marks = cell.metadata.get("nbgrader", {})
    return marks.get("grade_id", "") if marks.get("solution") else ""


def with_mistakes(notebook: NotebookNode) -> NotebookNode:
    """A copy whose answers are the common mistakes; written answers stay."""
    out = copy.deepcopy(notebook)
    for cell in out.cells:
        if gap_of(cell) and OWN in cell.metadata:
            cell.source = cell.metadata[OWN]["wrong"]
    return out


def for_instructors(notebook: NotebookNode) -> NotebookNode:
    """A copy that names the common mistake after each solution."""
    out = copy.deepcopy(notebook)
    for cell in out.cells:
        mistake = cell.metadata.pop(OWN, None)
        if mistake:
            lines = ["", "# a common mistake, which the tests find:"]
            cell.source += "\n".join([*lines, *(f"# {x}" for x in mistake["wrong"].splitlines())])
    return out


def solved(notebook: NotebookNode) -> NotebookNode:
    """A copy with solutions, without hidden tests and marks."""
    from nbgrader.preprocessors import ClearHiddenTests

    out, _ = ClearHiddenTests().preprocess(plain(notebook), {})
    for cell in out.cells:
        lines = [x for x in cell.source.split("\n") if x.strip() not in MARKS]
        cell.source = "\n".join(lines)
    return out


def plain(notebook: NotebookNode) -> NotebookNode:
    """A copy without the kit's own metadata: what nbgrader gets."""
    out = copy.deepcopy(notebook)
    for cell in out.cells:
        cell.metadata.pop(OWN, None)
    return out


def make_course(folder: Path) -> list[Path]:
    """Write all copies; what they held before is replaced. Returns the students' notebooks.

    Grades in nbgrader's data base stay.
    """
    sources = {path.stem: nbformat.read(path, 4) for path in exercise_files()}
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    course = folder / COURSE
    course.mkdir(exist_ok=True)
    (course / "nbgrader_config.py").write_text(CONFIG)
    for name, source in sources.items():
        _write(solved(source), folder / "solutions" / f"{name}.ipynb")
        _write(for_instructors(source), folder / "instructors" / f"{name}.ipynb")
        _write(plain(source), course / "source" / name / f"{name}.ipynb")
    release(course, list(sources))
    made = []
    for name in sources:
        copied = course / "release" / name / f"{name}.ipynb"
        made.append(Path(shutil.copy(copied, folder / "students" / copied.name)))
    return made


def release(course: Path, names: list[str]) -> None:
    """Let nbgrader make the students' versions of some exercises."""
    api = grader(course)
    for name in names:
        answer = api.generate_assignment(name, force=True, create=True)
        if not answer["success"]:
            raise RequestError(f"nbgrader could not make {name}:\n{answer.get('log', '')[-2000:]}")


def grader(course: Path):
    """nbgrader's interface to a course folder."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", str(course)).load_config()
    config.CourseDirectory.root = str(course.resolve())
    config.CourseDirectory.db_url = f"sqlite:///{(course / 'gradebook.db').resolve()}"
    _find_programs_beside_python()
    return NbGraderAPI(config=config)


def _find_programs_beside_python() -> None:
    """nbgrader calls `alembic` by its name; without an activated environment it is not found."""
    here, known = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if here not in known.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, known])


def _write(notebook: NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def main(arguments: list[str] | None = None) -> None:
    """Make the copies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("course"))
    folder = parser.parse_args(arguments).folder
    made = make_course(folder)
    print(f"{len(made)} notebooks for students in {folder / 'students'}")


if __name__ == "__main__":
    main()
