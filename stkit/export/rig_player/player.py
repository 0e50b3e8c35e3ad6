"""Play a Live Link Face file on a head's rig: numpy and pillow, nothing of stkit.

python player.py performance.csv frames/     a picture of every frame
"""

import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def load(folder: Path) -> tuple[dict, dict, dict]:
    """The description, the arrays at rest, and {action: [(attribute, rows, change)]}."""
    rig = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
    if rig["schema"] != "stkit-rig" or not rig["version"].startswith("1."):
        raise SystemExit(f"{folder}: not a rig that this program can read")
    data = gzip.decompress((folder / rig["data"]["file"]).read_bytes())

    def array(entry: dict) -> np.ndarray:
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(data, "<" + entry["type"], count, entry["offset"])
        return values.reshape(entry["shape"])

    rest = {name: array(entry).astype(np.float32) for name, entry in rig["rest"].items()}
    changes: dict[str, list] = {name: [] for name in rig["actions"]}
    for entry in rig["changes"]:
        change = array(entry["codes"]) * np.float32(entry["step"])
        changes[entry["action"]].append((entry["attribute"], array(entry["rows"]), change))
    return rig, rest, changes


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of quaternions (..., 4), w first."""
    (w, x, y, z), (p, q, r, s) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    parts = (w * p - x * q - y * r - z * s, w * q + x * p + y * s - z * r)
    return np.stack([*parts, w * r - x * s + y * p + z * q, w * s + x * r - y * q + z * p], -1)


def matrices(q: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) of quaternions (..., 4) of any length."""
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]
    rows += [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]
    rows += [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return np.stack(rows, -1).reshape(*w.shape, 3, 3)


def pose(rig: dict, rest: dict, changes: dict, strengths: dict, turn: np.ndarray) -> tuple:
    """Means (N, 3), covariances (N, 3, 3), colours (N, 3) and opacities (N, 1) in the world, for
    strengths of actions and a turn of the head (quaternion).
    """
    now = {name: values.copy() for name, values in rest.items()}
    for action, strength in strengths.items():
        for attribute, rows, change in changes.get(action, []):
            now[attribute][rows] += strength * change
    bones, follow = rig["skeleton"], now["follow"]
    head = multiply(turn, np.array(bones["head"]["rotation"]))
    chest = np.array(bones["chest"]["rotation"])
    placed = [
        bones["scale"] * now["means"] @ matrices(rotation).T + np.array(bone["translation"])
        for rotation, bone in ((head, bones["head"]), (chest, bones["chest"]))
    ]
    turned = multiply(follow * head + (1 - follow) * chest, now["quats"])
    axes = matrices(turned) * (bones["scale"] * np.exp(now["log_scales"]))[:, None]
    means = follow * placed[0] + (1 - follow) * placed[1]
    return means, axes @ axes.swapaxes(1, 2), now["colors"].clip(0, 1), now["opacities"].clip(0, 1)


def draw(camera: dict, means, covariances, colors, opacities) -> np.ndarray:
    """The picture (H, W, 3) of Gaussians over white, the farthest first (Zwicker's splatting)."""
    view, K = np.array(camera["viewmat"]), np.array(camera["K"])
    x, y, z = (means @ view[:3, :3].T + view[:3, 3]).T
    zero = np.zeros_like(z)
    across = np.stack([K[0, 0] / z, zero, -K[0, 0] * x / z**2], 1)
    down = np.stack([zero, K[1, 1] / z, -K[1, 1] * y / z**2], 1)
    J = np.stack([across, down], 1) @ view[:3, :3]
    flat = J @ covariances @ J.swapaxes(1, 2) + 0.3 * np.eye(2)
    middle = np.stack([K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]], 1)
    reach = np.ceil(3.4 * np.sqrt(np.linalg.eigvalsh(flat)[:, 1])).astype(int)
    sharp, size = np.linalg.inv(flat), (camera["width"], camera["height"])
    image = np.ones((size[1], size[0], 3))
    for k in np.argsort(-z):
        low = np.maximum(middle[k].astype(int) - reach[k], 0)
        high = np.minimum(middle[k].astype(int) + reach[k] + 1, size)
        if (low >= high).any():
            continue
        u, v = np.meshgrid(*(np.arange(a, b) + 0.5 - m for a, b, m in zip(low, high, middle[k])))
        (a, b), (_, c) = sharp[k]
        alpha = opacities[k] * np.exp(-0.5 * (a * u * u + 2 * b * u * v + c * v * v))
        alpha = np.where(alpha < 1 / 255, 0, np.minimum(alpha, 0.999))[..., None]
        part = image[low[1] : high[1], low[0] : high[0]]
        part += alpha * (colors[k] - part)
    return image.clip(0, 1)


def main(sheet: Path, target: Path) -> None:
    """A picture for each row of a Live Link Face file."""
    rig, rest, changes = load(Path(__file__).parent)
    target.mkdir(exist_ok=True)
    for t, row in enumerate(csv.DictReader(sheet.open(encoding="utf-8-sig"))):
        strengths = {n[0].lower() + n[1:]: float(v or 0) for n, v in row.items() if n != "Timecode"}
        turn = np.array([1.0, 0, 0, 0])
        for name, axis in (("HeadYaw", 2), ("HeadPitch", 1), ("HeadRoll", 3)):
            half = float(row.get(name) or 0) / 2
            one = np.zeros(4)
            one[0], one[axis] = np.cos(half), np.sin(half)
            turn = multiply(turn, one)
        image = draw(rig["camera"], *pose(rig, rest, changes, strengths, turn))
        Image.fromarray((255 * image).round().astype(np.uint8)).save(target / f"{t:05d}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
