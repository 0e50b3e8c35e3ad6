"""How well Style-A does: `python -m stkit.studies.style_a --runs q-sami q-walter q-zola`.

Heads of made-up people are drawn in styles that nothing has seen before, each read from a picture
of somebody else, and compared with what the kit's painter makes of the person's true surface. Next
to it stand colours alone, the same drawing picture by picture without a head in 3D, and no style.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stkit.art.art_style import ArtStyle
from stkit.art.flat import restyle_picture
from stkit.art.gallery import gallery
from stkit.art.ink import LUMA, blurred
from stkit.art.painter import paint
from stkit.art.random_styles import HELD_OUT_FROM, random_style
from stkit.art.reader import read_style
from stkit.art.styled_head import Drawing, StylableHead
from stkit.cameras import Camera
from stkit.capture.detect import still_landmarks
from stkit.driving.motion import own_motion
from stkit.errors import RequestError
from stkit.face_models.landmarks import KEPT_66
from stkit.io.images import sheet, u8
from stkit.io.tensors import write_json
from stkit.metrics.consistency import warp_error
from stkit.metrics.identity import embedding, has_embedding, identity_distance
from stkit.progress import bar
from stkit.runs.edits import open_base
from stkit.runs.machine import circumstances, machine
from stkit.runs.road import Road
from stkit.runs.scores import rescaled, true_to_tracked
from stkit.studies.reproduce.intervals import paired
from stkit.synthetic.subject import Subject, make_subject, named_subject

STYLES, PEOPLE_FROM = 40, 8000  # held-out styles; seeds of the people on their pictures
WAYS = ("ours", "colour alone", "picture by picture", "no style")
TONE_BINS, EDGE_BINS = 24, 24
VIEWS = tuple(range(-30, 31, 6))  # degrees: neighbours that are warped onto each other
FRAMES = 24  # of a clip, for flicker
SOME_STYLES = 8  # for what needs many pictures
IDENTITY_DEGREE = 0.5
SHEET_STYLES = (
    "cartoon",
    "comic",
    "soft-3d",
    "woodcut",
    "watercolour",
    "pop",
    "mosaic",
    "night",
)
SHEET_ANGLES = (0.0, -35.0, 60.0)  # degrees
SLIDER = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass
class Sitter:
    """A person with a head: the truth, the head, and the neutral frame."""

    subject: Subject
    head: StylableHead
    t: int
    camera: Camera  # of the true world

    @staticmethod
    def of(road: Road) -> "Sitter":
        """The person whom a run of 'synthetic:SEED' shows, in its neutral frame."""
        capture = road.capture()
        subject, t = named_subject(capture.source, len(capture)), capture.neutral
        factor = 1 / true_to_tracked(subject.landmarks(t)[KEPT_66], capture, t)
        camera = rescaled(capture.camera, factor, capture)
        return Sitter(subject, StylableHead(road.gaussian_head(), capture), t, camera)

    def truth(self, style: ArtStyle) -> Tensor:
        """What the painter makes of the person (H, W, 3)."""
        return paint(self.subject, style, t=self.t, camera=self.camera)

    def drawn(self, way: str, style: ArtStyle) -> Tensor:
        """What one of the `WAYS` makes of the head's own picture."""
        capture, frame = self.head.capture, self.head.capture.frame_pose(self.t)
        if way == "ours":
            return self.head.draw(capture.camera, frame, Drawing(style, 1.0, 1.0))
        if way == "colour alone":
            return self.head.draw(capture.camera, frame, Drawing(plain(style), 0.0, 1.0))
        if way == "no style":
            return self.head.layers(capture.camera, frame).colour
        return picture_by_picture(self.head, capture.camera, self.t, style)


def plain(style: ArtStyle) -> ArtStyle:
    """A style's colours without its drawing."""
    return ArtStyle(style.name, style.colours)


def picture_by_picture(head: StylableHead, camera: Camera, t: int, style: ArtStyle) -> Tensor:
    """The head's plain picture in frame t, styled without its surface."""
    layers = head.layers(camera, head.capture.frame_pose(t))
    found = still_landmarks([u8(layers.colour)])[0]
    if found is None:
        return layers.colour
    landmarks = torch.from_numpy(found).float()[KEPT_66]
    return restyle_picture(layers.colour, layers.alpha, landmarks, camera, style, 1.0, 1.0)


def style_pictures(count: int) -> list[tuple[ArtStyle, ArtStyle | None]]:
    """Held-out styles, and what is read of a picture of each; None where no face is found."""
    found: list[tuple[ArtStyle, ArtStyle | None]] = []
    for k in bar(range(count), desc="style pictures"):
        style = random_style(HELD_OUT_FROM + k)
        picture = paint(make_subject(PEOPLE_FROM + k, 10), style)
        try:
            found.append((style, read_style(picture, style.name)))
        except RequestError:
            found.append((style, None))
    return found


def distance(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of pictures (H, W, 3) where either shows the person; both slightly
    blurred, since a head's lines lie a pixel beside the truth's.
    """
    shown = (a.min(-1).values < 0.98) | (b.min(-1).values < 0.98)
    return float((blurred(a, 1.0) - blurred(b, 1.0)).abs().mean(-1)[shown].mean())


def fingerprint(picture: Tensor) -> np.ndarray:
    """Tones and lines of a picture without its colours: the distribution of brightness, which is
    normalised, and of its changes in two sizes, as sorted samples.
    """
    light = picture @ LUMA
    shown = picture.min(-1).values < 0.98
    inside = light[shown]
    normal = (light - inside.mean()) / inside.std().clamp_min(0.02)
    parts = [_quantiles(normal[shown], TONE_BINS)]
    for sigma in (0.6, 2.0):
        smooth = blurred(normal[..., None], sigma)[..., 0]
        for axis in (0, 1):
            parts.append(_quantiles(smooth.diff(dim=axis).abs()[_cut(shown, axis)], EDGE_BINS))
    return torch.cat(parts).numpy()


def _cut(mask: Tensor, axis: int) -> Tensor:
    return mask.narrow(axis, 0, mask.shape[axis] - 1)


def _quantiles(values: Tensor, count: int) -> Tensor:
    return torch.quantile(values, (torch.arange(count) + 0.5) / count)


def retrieved(drawn: list[Tensor], truths: list[Tensor]) -> float:
    """The share of drawings whose fingerprint is nearest to that of their own truth."""
    known = np.stack([fingerprint(x) for x in truths])
    scale = known.std(0) + 0.05
    hits = []
    for k, picture in enumerate(drawn):
        apart = np.abs((known - fingerprint(picture)) / scale).mean(1)
        hits.append(int(apart.argmin()) == k)
    return float(np.mean(hits))


def identity_kept(sitter: Sitter, style: ArtStyle) -> float | None:
    """dlib's distance between the plain and the styled head at half the degree, with its own
    colours; None where no face is found in the drawing: a failure.
    """
    capture, frame = sitter.head.capture, sitter.head.capture.frame_pose(sitter.t)
    plainly = u8(sitter.head.layers(capture.camera, frame).colour)
    drawing = Drawing(style, IDENTITY_DEGREE, 0.5)
    styled = u8(sitter.head.draw(capture.camera, frame, drawing))
    points = still_landmarks([plainly, styled])
    if points[0] is None or points[1] is None:
        return None
    return identity_distance(embedding(plainly, points[0]), embedding(styled, points[1]))


def unsteadiness(sitter: Sitter, style: ArtStyle) -> dict[str, float]:
    """Warp errors between neighbouring views and between frames, of ours and of styling picture by
    picture.
    """
    head, capture = sitter.head, sitter.head.capture
    cameras = capture.orbit_cameras(tuple(map(float, VIEWS)))
    views = [(camera, sitter.t) for camera in cameras]
    frames = [(capture.camera, t) for t in range(min(FRAMES, len(own_motion(capture))))]
    found = {}
    for name, shots in (("views", views), ("frames", frames)):
        before = [head.layers(c, capture.frame_pose(t)).colour for c, t in shots]
        ours = [head.draw(c, capture.frame_pose(t), Drawing(style, 1.0, 1.0)) for c, t in shots]
        flat = [picture_by_picture(head, c, t, style) for c, t in shots]
        found[f"{name}: ours"] = _mean_warp(before, ours)
        found[f"{name}: picture by picture"] = _mean_warp(before, flat)
    return found


def _mean_warp(before: list[Tensor], after: list[Tensor]) -> float:
    pairs = zip(zip(before, before[1:]), zip(after, after[1:]))
    return float(np.mean([warp_error(b, a) for b, a in pairs]))


def monotone(sitter: Sitter, drawings: list[Drawing]) -> bool:
    """Whether each drawing is further away from the first than the one before."""
    capture, frame = sitter.head.capture, sitter.head.capture.frame_pose(sitter.t)
    pictures = [sitter.head.draw(capture.camera, frame, d) for d in drawings]
    apart = [distance(p, pictures[0]) for p in pictures]
    return bool(np.all(np.diff(apart) > 0))


def measure(runs: list[str], count: int) -> dict:
    """All numbers; see the module."""
    pictures = style_pictures(count)
    read = [(style, found) for style, found in pictures if found is not None]
    result: dict = {"styles": count, "faces_found": len(read), "people": len(runs), "rows": []}
    retrieval, kept, steady, sliders = [], [], [], []
    for run in bar(runs, desc="people"):
        sitter = Sitter.of(Road(run, quiet=True))
        truths, drawn = [], []
        for k, (style, found) in enumerate(read):
            truth = sitter.truth(style)
            row = {"run": run, "style": style.name}
            row |= {way: distance(sitter.drawn(way, found), truth) for way in WAYS}
            result["rows"].append(row)
            truths.append(truth)
            drawn.append(sitter.drawn("ours", found))
            if has_embedding():
                kept.append(identity_kept(sitter, found))
            if k < SOME_STYLES:
                steady.append(unsteadiness(sitter, found))
                degrees = [Drawing(found, x, 0.5) for x in SLIDER]
                colours = [Drawing(found, 0.5, x) for x in SLIDER]
                sliders.append(monotone(sitter, degrees) and monotone(sitter, colours))
        retrieval.append(retrieved(drawn, truths))
    return result | _summary(result["rows"], retrieval, kept, steady, sliders)


def _summary(rows, retrieval, kept, steady, sliders) -> dict:
    known = [x for x in kept if x is not None]
    return {
        "distance": {way: float(np.mean([r[way] for r in rows])) for way in WAYS},
        "ours_is_nearer_by": {way: _nearer(rows, way) for way in WAYS[1:]},
        "retrieval": retrieval,
        "identity": {
            "mean": float(np.mean(known)) if known else None,
            "within_half": sum(x <= 0.5 for x in known) / max(len(kept), 1),
            "no_face": len(kept) - len(known),
        },
        "warp_error": {name: float(np.mean([s[name] for s in steady])) for name in steady[0]},
        "monotone": float(np.mean(sliders)),
    }


def _nearer(rows: list[dict], way: str) -> str:
    """By how much ours is nearer to the truth: the mean and its 95 % interval over people and
    styles.
    """
    people = sorted({r["run"] for r in rows})
    return str(paired([[r[way] - r["ours"] for r in rows if r["run"] == p] for p in people]))


def style_sheet(runs: list[str]) -> np.ndarray:
    """Each person from three angles in eight styles of the gallery, as one picture."""
    rows, labels = [], []
    for run in bar(runs, desc="sheet"):
        road = open_base(run)
        head, capture = StylableHead(road.gaussian_head(), road.capture()), road.capture()
        frame = capture.frame_pose(capture.neutral)
        for angle, camera in zip(SHEET_ANGLES, capture.orbit_cameras(SHEET_ANGLES)):
            drawings = [Drawing(gallery()[name], 1.0, 1.0) for name in SHEET_STYLES]
            rows.append([head.draw(camera, frame, d).numpy() for d in drawings])
            labels.append(f"{angle:+.0f}")
    return sheet(rows, list(SHEET_STYLES), labels, height=150)


def main(arguments: list[str] | None = None) -> None:
    """The command in the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True, help="of made-up people")
    parser.add_argument("--styles", type=int, default=STYLES)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--sheet", type=Path, help="draw a sheet of people and styles instead")
    a = parser.parse_args(arguments)
    if a.sheet:
        Image.fromarray(style_sheet(a.runs)).save(a.sheet, quality=85)
        return
    found = measure(a.runs, a.styles)
    print(json.dumps({k: x for k, x in found.items() if k != "rows"}, indent=1))
    if a.write:
        write_json(a.write, found | {"machine": machine(), **circumstances()})


if __name__ == "__main__":
    main()
