"""Grades of a course for other tools: `python -m stkit.runs.gradebook COURSE/nbgrader`.

Writes gradebook.csv (a row for each student and exercise notebook), canvas.csv and moodle.csv, with
the columns that Canvas's and Moodle's imports ask for.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from stkit.errors import RequestError

DATABASE = "gradebook.db"
POINTS_POSSIBLE = "    Points Possible"  # Canvas's name of the second row, with its four spaces


@dataclass(frozen=True)
class Grade:
    """A student's points in one notebook; score is None where nothing was handed in."""

    student: str
    name: str
    email: str
    assignment: str
    score: float | None
    most: float
    by_hand: bool


def read_grades(course: Path) -> list[Grade]:
    """All grades of nbgrader's data base, students in order.

    by_hand: a written answer still waits for a person.
    """
    from nbgrader.api import Gradebook, MissingEntry

    path = course / DATABASE
    if not path.exists():
        raise RequestError(f"{path}: no grades yet; run `nbgrader autograde` in {course} first")
    grades = []
    with Gradebook(f"sqlite:///{path.resolve()}") as book:
        for student in sorted(book.students, key=lambda s: s.id):
            name = " ".join(x for x in (student.first_name, student.last_name) if x) or student.id
            for assignment in sorted(book.assignments, key=lambda a: a.name):
                score, by_hand = None, False
                try:
                    handed_in = book.find_submission(assignment.name, student.id)
                    score, by_hand = handed_in.score, handed_in.needs_manual_grade
                except MissingEntry:
                    pass
                who = (student.id, name, student.email or "")
                grades.append(Grade(*who, assignment.name, score, assignment.max_score, by_hand))
    return grades


def write_grades(grades: list[Grade], folder: Path) -> list[Path]:
    """The three files."""
    names = sorted({g.assignment for g in grades})
    most = {g.assignment: g.most for g in grades}
    score = {(g.student, g.assignment): g.score for g in grades}
    people = {g.student: g for g in grades}

    def points(student: str) -> list[str]:
        return [_text(score.get((student, name))) for name in names]

    long = [["student", "notebook", "score", "max_score", "needs_manual_grade"]]
    for g in grades:
        long.append([g.student, g.assignment, _text(g.score), _text(g.most), str(g.by_hand)])
    canvas = [["Student", "ID", "SIS Login ID", "Section", *names]]
    canvas += [[POINTS_POSSIBLE, "", "", "", *(_text(most[name]) for name in names)]]
    canvas += [[g.name, "", student, "", *points(student)] for student, g in people.items()]
    moodle = [["ID number", "Full name", "Email address", *names]]
    moodle += [[student, g.name, g.email, *points(student)] for student, g in people.items()]
    tables = {"gradebook.csv": long, "canvas.csv": canvas, "moodle.csv": moodle}
    return [_write(folder / name, rows) for name, rows in tables.items()]


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def main(arguments: list[str] | None = None) -> None:
    """Write the files beside the data base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("course", type=Path, help="nbgrader's course folder")
    course = parser.parse_args(arguments).course
    for path in write_grades(read_grades(course), course):
        print(path)


if __name__ == "__main__":
    main()
