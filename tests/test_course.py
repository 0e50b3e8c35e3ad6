"""Exercises: gaps fail, solutions pass, common mistakes are found; by nbgrader too."""

import csv

import nbformat
import pytest

from stkit.errors import RequestError
from stkit.runs.course import (
    exercise_files,
    for_instructors,
    gap_of,
    grader,
    make_course,
    solved,
    with_mistakes,
)
from stkit.runs.gradebook import read_grades, write_grades

# nbgrader and the data base below it warn of each other's old ways
pytestmark = pytest.mark.filterwarnings("ignore")
FILES = exercise_files()
AT_LEAST = 45
EXAMPLE = "02_deform_mesh"


def graded(cell) -> bool:
    return cell.metadata.get("nbgrader", {}).get("grade", False)


def run(cells: list[str], names: dict) -> None:
    for source in cells:
        exec(compile(source, "cell", "exec"), names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_gaps_fail_solutions_pass_and_mistakes_are_found(path):
    """Cell by cell, in one process: what comes before an exercise has been solved."""
    names: dict = {}
    answer, mistake = "", ""
    for cell in (c for c in nbformat.read(path, 4).cells if c.cell_type == "code"):
        if gap_of(cell):
            answer, mistake = cell.source, cell.metadata["stkit"]["wrong"]
        elif graded(cell):
            with pytest.raises(AssertionError):
                run([mistake, cell.source], dict(names))
            run([answer, cell.source], names)
        else:
            run([cell.source], names)


def test_there_are_enough_and_each_has_a_grade():
    cells = [c for path in FILES for c in nbformat.read(path, 4).cells]
    gaps = [gap_of(c) for c in cells if gap_of(c)]
    assert len(gaps) >= AT_LEAST and len(set(gaps)) == len(gaps)
    tested = {c.metadata["nbgrader"]["grade_id"] for c in cells if graded(c)}
    for cell in (c for c in cells if gap_of(c)):
        assert cell.cell_type == "markdown" or f"test_{gap_of(cell)}" in tested
    assert all(c.metadata["nbgrader"]["points"] > 0 for c in cells if graded(c))


def test_copies_show_what_they_should():
    source = nbformat.read(FILES[1], 4)
    shown = "\n".join(c.source for c in solved(source).cells)
    assert "SOLUTION" not in shown and "HIDDEN" not in shown and "deg2rad" in shown
    teachers = "\n".join(c.source for c in for_instructors(source).cells)
    assert "a common mistake" in teachers and "HIDDEN" in teachers
    assert not any("stkit" in c.metadata for c in for_instructors(source).cells)
    assert any("stkit" in c.metadata for c in source.cells), "the source itself stays as it is"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    make_course(folder)
    return folder


def hand_in(course, name: str, students: dict) -> dict[str, float]:
    """Points of each student's notebook, as nbgrader grades it."""
    api = grader(course / "nbgrader")
    for student, notebook in students.items():
        place = course / "nbgrader" / "submitted" / student / name
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{name}.ipynb")
        assert api.autograde(name, student)["success"]
    found = {g.student: g for g in read_grades(course / "nbgrader") if g.assignment == name}
    return {student: found[student].score for student in students}


def answered(released, source, answers) -> nbformat.NotebookNode:
    """The released notebook with answers in its gaps."""
    given = {gap_of(c): c.source for c in answers.cells if gap_of(c)}
    for cell in released.cells:
        if gap_of(cell):
            cell.source = given[gap_of(cell)]
    return released


def three_students(course, name: str):
    """One who solves, one who errs, one who hands in the gaps; and the points that tests give."""
    released = course / "students" / f"{name}.ipynb"
    source = nbformat.read(next(p for p in FILES if p.stem == name), 4)
    notebooks = {
        "solves": answered(nbformat.read(released, 4), source, solved(source)),
        "errs": answered(nbformat.read(released, 4), source, with_mistakes(source)),
        "waits": nbformat.read(released, 4),
    }
    cells = [c for c in source.cells if graded(c) and not gap_of(c)]
    return notebooks, sum(c.metadata["nbgrader"]["points"] for c in cells)


def check_grades(course, name: str) -> None:
    notebooks, most = three_students(course, name)
    points = hand_in(course, name, notebooks)
    assert points == {"solves": most, "errs": 0, "waits": 0}


def test_nbgrader_grades_right_wrong_and_empty_answers(course):
    students = [nbformat.read(p, 4) for p in sorted((course / "students").glob("*.ipynb"))]
    assert len(students) == len(FILES)
    text = "\n".join(c.source for notebook in students for c in notebook.cells)
    assert "SOLUTION" not in text and "HIDDEN" not in text and "Write your answer here." in text
    check_grades(course, EXAMPLE)
    files = write_grades(read_grades(course / "nbgrader"), course)
    rows = {f.name: list(csv.reader(f.open())) for f in files}
    assert rows["canvas.csv"][1][0] == "    Points Possible"
    column = rows["canvas.csv"][0].index(EXAMPLE)
    by_student = {row[2]: row[column] for row in rows["canvas.csv"][2:]}
    assert float(by_student["solves"]) > 0 == float(by_student["errs"])
    assert rows["moodle.csv"][0][:3] == ["ID number", "Full name", "Email address"]
    assert [r[1] for r in rows["gradebook.csv"][1:]].count(EXAMPLE) == 3


@pytest.mark.long
@pytest.mark.parametrize("name", [p.stem for p in FILES if p.stem != EXAMPLE])
def test_nbgrader_grades_every_notebook(course, name):
    check_grades(course, name)


def test_no_grades_and_no_sources_are_said(tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="no grades yet"):
        read_grades(tmp_path)
    monkeypatch.setattr("stkit.runs.course.notebooks_dir", lambda: tmp_path)
    with pytest.raises(RequestError, match="no exercises here"):
        exercise_files()
