"""Changes of shape against the truth: `python -m stkit.studies.shape_edits --runs q-mara q-sami`.

Of made-up people, who can be filmed again in another shape. Each head is changed by a sentence and
compared with that film from the front and from the sides; beside it stand the head as it was and,
with --paper, the paper's own method, which gets the same sentence as a prompt for the tiny editor.

    for s in mara sami walter zola; do stkit run synthetic:$s --name q-$s; done
    python -m stkit.studies.shape_edits --runs q-mara q-sami q-walter q-zola --paper --write FILE
"""

import argparse
import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.capture.detect import still_landmarks
from stkit.driving.motion import own_motion
from stkit.face_models.landmarks import EYE_CORNERS, KEPT_66
from stkit.face_models.makehuman.shape_change import displacement
from stkit.face_models.makehuman.shape_words import read_shape
from stkit.heads.gaussian import GaussianHead
from stkit.heads.reshaping import reshaped
from stkit.io.images import sheet, u8
from stkit.io.tensors import write_json
from stkit.metrics.pictures import iou
from stkit.progress import bar
from stkit.runs.edits import open_base
from stkit.runs.machine import circumstances, machine
from stkit.runs.road import Road
from stkit.runs.scores import follows, rescaled, true_to_tracked
from stkit.space import HEAD_CENTRE, to_world
from stkit.studies.reproduce.intervals import paired
from stkit.synthetic.subject import Subject, named_subject

SENTENCES = (
    "remove the nose",
    "elf ears",
    "a hooked nose",
    "fat",
    "twenty years younger",
    "as an old man",
    "a square jaw",
    "big eyes",
    "a longer neck",
)
ANGLES = (0.0, -40.0, 40.0)  # degrees, of the outline's pictures
SIDE, HEIGHT = 50.0, 140  # degrees and pixels, of the sheet's pictures
WAYS = ("shape", "no change", "paper's method")
UNASKED = "nothing asked"  # the head against the person as filmed: what no change can be below
MEASURES = ("landmarks", "outline")


class Person:
    """A made-up person's head, and the person as the truth, in the capture's neutral frame."""

    def __init__(self, run: str):
        self.run = run
        road = open_base(run)
        self.head, self.capture = road.gaussian_head(), road.capture()
        self.t = self.capture.neutral
        self.subject = named_subject(self.capture.source, len(self.capture))

    def changed(self, sentence: str) -> Subject:
        """The person in the shape that a sentence asks for."""
        person = self.subject.person
        verts = person.verts()
        moved = displacement(read_shape(sentence), verts, person.traits)
        return replace(self.subject, shape=verts + moved)

    @cached_property
    def factor(self) -> Tensor:
        """Between the true and the tracked world."""
        return true_to_tracked(self.subject.landmarks(self.t)[KEPT_66], self.capture, self.t)

    def camera(self, azimuth: float) -> Camera:
        """Around the true head."""
        centre = to_world(HEAD_CENTRE, self.subject.performance.frame_pose(self.t))[0]
        return orbit_camera(self.capture.camera, azimuth, target=centre)

    @torch.no_grad()
    def picture(self, head: GaussianHead, azimuth: float) -> tuple[Tensor, Tensor]:
        """A head (H, W, 3) and its alpha (H, W, 1) where the true camera is."""
        camera = rescaled(self.camera(azimuth), self.factor, self.capture)
        image, alpha = head.render(camera, self.capture.frame_pose(self.t))
        return image.clamp(0, 1), alpha

    def column(self, head: GaussianHead, truth: Subject) -> list[Tensor]:
        """Head and truth from the front, and from the side: (H, W, 3) each."""
        return [
            picture
            for a in (0.0, SIDE)
            for picture in (self.picture(head, a)[0], truth.render(self.t, self.camera(a))[0])
        ]

    def scores(self, head: GaussianHead, truth: Subject) -> dict[str, float]:
        """`landmarks`: mean distance of what MediaPipe finds in both front pictures, in shares of
        the true eyes' distance. `outline`: 1 - IoU of the figures, mean over `ANGLES`.
        """
        found = [self.picture(head, a) for a in ANGLES]
        true = [truth.render(self.t, self.camera(a)) for a in ANGLES]
        overlaps = [iou(a[1], b[1]) for a, b in zip(found, true)]
        return {
            "landmarks": landmark_distance(found[0][0], true[0][0]),
            "outline": 1 - float(np.mean(overlaps)),
        }


def landmark_distance(picture: Tensor, truth: Tensor) -> float:
    """Mean distance of MediaPipe's 66 points in two pictures (H, W, 3), in shares of the truth's
    outer eye corners' distance; NaN where a face is not found.
    """
    found, true = still_landmarks([u8(picture), u8(truth.clamp(0, 1))])
    if found is None or true is None:
        return float("nan")
    right, left = EYE_CORNERS
    eyes = np.linalg.norm(true[right] - true[left])
    return float(np.linalg.norm(found[KEPT_66] - true[KEPT_66], axis=1).mean() / eyes)


def measure(run: str, paper: bool) -> tuple[list[dict], list[list[Tensor]]]:
    """Rows of scores, and the sheet's columns of one person: unchanged, then each change; head and
    truth from the front, head and truth from the side.
    """
    person = Person(run)
    rows: list[dict] = [{"run": run, "sentence": "", "way": UNASKED}]
    rows[0] |= person.scores(person.head, person.subject)
    columns = [person.column(person.head, person.subject)]
    mouth = mouth_follows(person.head, person.capture)
    for sentence in bar(SENTENCES, desc=run):
        truth = person.changed(sentence)
        head, _ = reshaped(person.head, person.capture, read_shape(sentence))
        heads = {"shape": head, "no change": person.head}
        if paper:
            heads["paper's method"] = Road(run, quiet=True).edited_head(sentence, "tiny")
        for way, shown in heads.items():
            rows.append({"run": run, "sentence": sentence, "way": way})
            rows[-1] |= person.scores(shown, truth)
        after = mouth_follows(head, person.capture)
        rows[-len(heads)] |= {"mouth": after, "mouth_before": mouth}
        columns.append(person.column(head, truth))
    return rows, columns


def mouth_follows(head: GaussianHead, capture: Capture) -> float:
    """Correlation of the mouth's opening with the clip's own, as MediaPipe sees the head."""
    mouth = follows(head, capture, own_motion(capture), capture).mouth
    return float("nan") if mouth is None else mouth


def summary(rows: list[dict]) -> dict:
    """Means by way, and paired differences over people. made: how much of the change there is,
    1 - (error - error with nothing asked) / (the same without change), by sentence.
    """
    people = sorted({row["run"] for row in rows})
    out: dict = {UNASKED: {m: _mean(rows, UNASKED, "", m) for m in MEASURES}}
    out["made"] = {s: {m: _made(rows, s, m) for m in MEASURES} for s in SENTENCES}
    for way in WAYS:
        of_way = [row for row in rows if row["way"] == way]
        if not of_way:
            continue
        out[way] = {m: float(np.nanmean([row[m] for row in of_way])) for m in MEASURES}
        if way == "shape":
            lost = [row["mouth_before"] - row["mouth"] for row in of_way]
            out[way]["mouth_lost"] = float(np.nanmax(lost))
            continue
        for m in MEASURES:
            differences = [_differences(rows, run, way, m) for run in people]
            out[way][f"{m} minus shape"] = str(paired(differences))
    return out


def _mean(rows: list[dict], way: str, sentence: str, measure_name: str) -> float:
    found = [r[measure_name] for r in rows if (r["way"], r["sentence"]) == (way, sentence)]
    return float(np.nanmean(found))


def _made(rows: list[dict], sentence: str, measure_name: str) -> float:
    least = _mean(rows, UNASKED, "", measure_name)
    before, after = (_mean(rows, way, sentence, measure_name) for way in ("no change", "shape"))
    return 1 - (after - least) / (before - least)


def _differences(rows: list[dict], run: str, way: str, measure_name: str) -> list[float]:
    """`way` minus shape for every sentence of one person."""
    values = {(row["sentence"], row["way"]): row[measure_name] for row in rows if row["run"] == run}
    pairs = [values[s, way] - values[s, "shape"] for s in SENTENCES]
    return [x for x in pairs if np.isfinite(x)]


def draw_sheet(pictures: dict[str, list[list[Tensor]]], place: Path) -> None:
    """Of each person four rows: head and truth from the front, and both from the side."""
    rows = [[column[k] for column in columns] for columns in pictures.values() for k in range(4)]
    sides = ("head", "truth", f"head, {SIDE:.0f} deg", f"truth, {SIDE:.0f} deg")
    labels = [label for _ in pictures for label in sides]
    picture = sheet(rows, ["as filmed", *SENTENCES], labels, height=HEIGHT)
    Image.fromarray(picture).save(place, quality=88)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True, help="of made-up people")
    parser.add_argument("--paper", action="store_true", help="measure the paper's method too")
    parser.add_argument("--write", type=Path, help="a JSON file for all numbers")
    parser.add_argument("--sheet", type=Path, help="a picture of people by changes")
    a = parser.parse_args(arguments)
    rows: list[dict] = []
    pictures = {}
    for run in a.runs:
        found, pictures[run] = measure(run, a.paper)
        rows += found
    result = {"summary": summary(rows), "rows": rows, "machine": machine(), **circumstances()}
    print(json.dumps(result["summary"], indent=1))
    if a.write:
        write_json(a.write, result)
    if a.sheet:
        draw_sheet(pictures, a.sheet)


if __name__ == "__main__":
    main()
