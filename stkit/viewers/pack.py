"""From heads and arrays to the bytes that `static/viewer.js` draws: quantised Gaussians and a linear basis of their motion.

The head's nets do not run in the browser. Their answer does: principal components of what they say over a clip, and one
direction for each slider, both linear around the neutral frame. Head pose and chest are exact (rigid, blended as `GaussianHead.place`).
"""

import gzip
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.driving.motion import Motion, own_motion
from stkit.editing.weights import landmark_set
from stkit.face_models import FaceModel
from stkit.face_models.transfer import named_expression
from stkit.geometry import axis_angle_to_quat, euler_yxz, nearest, quat_multiply, so3_exp
from stkit.heads.gaussian import GaussianHead
from stkit.render.gaussians import Gaussians

# name: (expression directions and their values at slider position 1, lowest and highest slider position)
SLIDERS = {
    "jaw": ({"jaw_open": 2.0}, 0.0, 1.2),
    "smile": ({"smile_left": 1.5, "smile_right": 1.5}, 0.0, 1.2),
    "pucker": ({"pucker": 1.5}, -0.3, 1.2),
    "wide": ({"mouth_wide": 1.5}, -0.3, 1.2),
    "frown": ({"frown_left": 1.5, "frown_right": 1.5}, 0.0, 1.2),
    "brows": (
        {
            "brow_outer_up_left": 1.5,
            "brow_outer_up_right": 1.5,
            "brow_inner_up_left": 1.2,
            "brow_inner_up_right": 1.2,
        },
        -0.3,
        1.2,
    ),
    "blink": ({"blink_left": 2.5, "blink_right": 2.5}, 0.0, 1.2),
}
MOST_COMPONENTS = 32  # as in viewer.js


@dataclass
class Packet:
    """`header` (JSON) and `arrays` (name to numpy array), laid one after another in `bytes()`."""

    header: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def bytes(self) -> bytes:
        """All arrays, each at a multiple of 8 bytes; fills header['arrays'] with offset, type and length."""
        parts, at, index = [], 0, {}
        for name, array in self.arrays.items():
            raw = np.ascontiguousarray(array).tobytes()
            index[name] = [at, array.dtype.str[1:], int(array.size)]
            parts.append(raw + bytes(-len(raw) % 8))
            at += len(parts[-1])
        self.header["arrays"] = index
        return b"".join(parts)


def camera_header(camera: Camera) -> dict:
    """A camera as JSON: viewmat (16 numbers) and K (9), row by row, width and height in pixels."""
    return {
        "viewmat": camera.viewmat.flatten().tolist(),
        "K": camera.K.flatten().tolist(),
        "width": camera.width,
        "height": camera.height,
    }


def camera_from(header: dict) -> Camera:
    """The inverse of `camera_header`."""
    return Camera(
        torch.tensor(header["viewmat"]).reshape(4, 4),
        torch.tensor(header["K"]).reshape(3, 3),
        header["width"],
        header["height"],
    )


def pack_gaussians(
    g: Gaussians,
    camera: Camera,
    distance: Tensor | None = None,
    edited: Gaussians | None = None,
    alt: str = "Gaussians.",
) -> Packet:
    """Still Gaussians in the world (arguments of `rasterize`): means, quats, scales, opacities, colors (N, 3) in [0, 1].

    `distance` (N,): decimetres to the nearest landmark, for the weight overlay. `edited`: the same points, changed.
    """
    g = g.detach()
    n = len(g)
    eye = np.concatenate([np.eye(3).ravel(), [0, 0, 0], [1, 0, 0, 0]])
    looks = [g] if edited is None else [g, edited.detach()]
    pivot = g.means.median(0).values
    packet = _begin(looks, camera, pivot, torch.ones(n), distance, 1.0, alt)
    packet.arrays["motion"] = np.concatenate([eye, eye])[None].astype(np.float32)
    return packet


def pack_head(
    head: GaussianHead,
    capture: Capture,
    edited: GaussianHead | None = None,
    motion: Motion | None = None,
    frames: int = 50,
    components: int = 24,
    limit: int = 2_000_000,
    sliders: tuple[str, ...] = tuple(SLIDERS),
    alt: str = "",
    caption: str = "",
    fps: float = 12.5,
) -> Packet:
    """A head (and its edited twin) with up to `frames` evenly spread frames of a motion (default: its own clip) and expression sliders.

    `components` of the motion are kept and rounded as finely as `limit` bytes (gzipped) allow. The edited head moves as the head does.
    Raises ValueError if it is not a twin of the head (another number of points), or if the coarsest rounding is too large.
    """
    if edited is not None and len(edited.xyz) != len(head.xyz):
        raise ValueError(
            f"the edited head has {len(edited.xyz)} Gaussians, the head {len(head.xyz)}: they are not of one run"
        )
    if components + len(sliders) > MOST_COMPONENTS:
        raise ValueError(
            f"{components} components and {len(sliders)} sliders: the viewer holds {MOST_COMPONENTS} together"
        )
    motion = motion or own_motion(capture)
    index = np.linspace(0, len(motion) - 1, min(frames, len(motion))).round().astype(int)
    m, heads = capture.neutral, [head] if edited is None else [head, edited]
    beta, pose = capture.beta[m], capture.pose[m]
    order = head.share.argsort(
        descending=True, stable=True
    )  # points that obey the expression first: the sliders' rows end early
    with torch.no_grad():
        rest = [_canonical(h, beta, pose, order) for h in heads]
        still = _values(rest)
        delta = lambda beta, pose: {
            k: v - still[k]
            for k, v in _values([_canonical(h, beta, pose, order) for h in heads]).items()
        }
        moments = [delta(motion.beta[t], motion.pose[t]) for t in index]
        face = capture.face()
        pushed = [delta(beta + slider_step(name, face), pose) for name in sliders]
    pivot = capture.head_centre(m)
    distance = nearest(head.xyz.detach()[order], landmark_set(capture))[0][:, 0]
    follow = head.follow_logits.detach().sigmoid()[order]
    packet = _begin(
        rest, capture.camera, pivot, follow, distance, float(capture.scale), alt, caption
    )
    packet.arrays["motion"] = _rigid(capture, motion, index)
    for fault in FAULTS:
        _add_basis(packet, moments, pushed, components, fault)
        size = len(gzip.compress(packet.bytes(), 6))
        if size <= limit:
            break
    else:
        raise ValueError(
            f"{size / 1e6:.1f} MB at the coarsest rounding, more than {limit / 1e6:.1f}: give fewer frames or a larger limit"
        )
    packet.header["fault"] = fault
    packet.header["clip"] = {
        "frames": len(index),
        "fps": fps,
        "components": min(components, len(index)),
    }
    packet.header["sliders"] = [
        {"name": s, "low": SLIDERS[s][1], "high": SLIDERS[s][2]} for s in sliders
    ]
    packet.header["posable"] = True
    return packet


def square(camera: Camera) -> None:
    """The viewers' canvas is square. ValueError for other cameras."""
    if camera.width != camera.height:
        raise ValueError(
            f"the viewers show square pictures; the camera's are {camera.width} x {camera.height}"
        )


def browser_gaussians(
    packet: Packet,
    frame: int,
    look: int = 0,
    sliders: dict[str, float] | None = None,
    pose: list[float] | None = None,
) -> Gaussians:
    """What the browser makes of frame `frame` (clamped to the clip), slider positions and head pose (yaw, pitch, roll; degrees).

    World-space Gaussians, decoded here: the twin of viewer.js, for tests and quality.
    """
    a, h = packet.arrays, packet.header
    frame = max(0, min(frame, a["motion"].size // 32 - 1))
    n, clip = h["count"], h["clip"]["components"] if h["clip"] else 0
    code = lambda name, width: a[name].reshape(n, width).astype(np.float32)
    x = np.array(h["low"], np.float32) + code("position", 3) * np.array(h["step"], np.float32)
    if f"offset{look}" in a:
        x = x + code(f"offset{look}", 3) * h["offsetStep"]
    sizes, turns, rgba = f"sizes{look}", f"turns{look}", f"rgba{look}"
    now = {
        "position": x,
        sizes: np.array(h["sizeLow"]) + code(sizes, 3) * np.array(h["sizeStep"]),
        turns: code(turns, 4) / 127,
        rgba: code(rgba, 4),
    }
    factors = [
        *(a["coefficients"].reshape(-1, clip)[frame] if clip else ()),
        *((sliders or {}).get(s["name"], 0.0) for s in h["sliders"]),
    ]
    for c, factor in zip(h["components"], factors):
        for name, value in now.items():
            part = a[f"d{name}"][c["starts"][name] :][: 4 * c["rows"]].reshape(-1, 4)[
                :, : value.shape[1]
            ]
            value[: c["rows"]] += factor * c["steps"][name] * part
    row = torch.from_numpy(a["motion"].reshape(-1, 32)[frame])
    if pose is not None:
        turn = euler_yxz(*(torch.deg2rad(torch.tensor([float(v)])) for v in pose))[0]
        row = row.clone()
        row[:9], row[12:16] = (
            (row[:9].reshape(3, 3) @ so3_exp(turn)).flatten(),
            quat_multiply(row[12:16], axis_angle_to_quat(turn)),
        )
    t = lambda v: torch.from_numpy(np.asarray(v, np.float32))
    point, f = t(now["position"]), t(code("follow", 1) / 255)
    place = lambda k: point @ row[k : k + 9].reshape(3, 3).T + row[k + 9 : k + 12]
    turn = torch.nn.functional.normalize(f * row[12:16] + (1 - f) * row[28:32], dim=-1)
    shown = t(now[rgba]).clamp(0, 255).round() / 255
    return Gaussians(
        means=f * place(0) + (1 - f) * place(16),
        quats=quat_multiply(turn, torch.nn.functional.normalize(t(now[turns]), dim=-1)),
        scales=h["scale"] * t(now[sizes]).exp(),
        opacities=shown[:, 3],
        colors=shown[:, :3],
    )


def slider_step(slider: str, face: FaceModel) -> Tensor:
    """What one unit of a slider adds to the expression (64,) of a face model."""
    if slider not in SLIDERS:
        raise ValueError(f"slider {slider!r} is not one of {', '.join(SLIDERS)}")
    return named_expression(SLIDERS[slider][0], face)


def _canonical(head: GaussianHead, beta: Tensor, pose: Tensor, order: Tensor) -> Gaussians:
    return head.canonical(beta, pose).select(order)


# name: what counts as one fault of a Gaussian: decimetres, log-scale, quaternion, 255 times colour and opacity
TOLERANCE = {"position": 0.006, "sizes": 0.10, "turns": 0.05, "rgba": 4.0}
FAULTS = (0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)


def _values(looks: list[Gaussians]) -> dict[str, Tensor]:
    """What the basis describes: position (N, 3) of the first look; log-scales (N, 3), quaternions (N, 4) and 255 times colour and opacity (N, 4) of each."""
    out = {"position": looks[0].means}
    for k, g in enumerate(looks):
        out |= {
            f"sizes{k}": g.scales.log(),
            f"turns{k}": g.quats,
            f"rgba{k}": 255 * torch.cat([g.colors, g.opacities[:, None]], 1),
        }
    return out


def _begin(looks, camera, pivot, follow, distance, scale, alt, caption="") -> Packet:
    square(camera)
    first, n = looks[0], len(looks[0])
    low, high = first.means.min(0).values, first.means.max(0).values
    step = (high - low).clamp_min(1e-6) / 65535
    sizes = [g.scales.clamp_min(1e-6).log() for g in looks]
    size_low, size_high = torch.cat(sizes).min(0).values, torch.cat(sizes).max(0).values
    size_step = (size_high - size_low).clamp_min(1e-6) / 65535
    d = torch.zeros(n) if distance is None else distance
    d_step = max(float(d.max()) / 65535, 1e-9)
    offsets = [g.means - first.means for g in looks[1:]]
    offset_step = max([float(o.abs().max()) / 127 for o in offsets] + [1e-9])
    header = {
        "kind": "splats",
        "count": n,
        "low": low.tolist(),
        "step": step.tolist(),
        "sizeLow": size_low.tolist(),
        "sizeStep": size_step.tolist(),
        "distanceStep": d_step,
        "offsetStep": offset_step,
        "scale": scale,
        "looks": ["head", "edited"][: len(looks)],
        "camera": camera_header(camera),
        "pivot": pivot.tolist(),
        "components": [],
        "sliders": [],
        "clip": None,
        "posable": False,
        "weights": distance is not None,
        "alt": alt,
        "caption": caption,
    }
    integers = lambda x, dtype: x.round().numpy().astype(dtype)
    arrays = {
        "position": integers((first.means - low) / step, np.uint16),
        "follow": integers(255 * follow, np.uint8),
        "distance": integers(d / d_step, np.uint16),
    }
    for k, (g, size) in enumerate(zip(looks, sizes)):
        arrays[f"sizes{k}"] = integers((size - size_low) / size_step, np.uint16)
        arrays[f"turns{k}"] = integers(
            127 * torch.nn.functional.normalize(g.quats, dim=-1), np.int8
        )
        arrays[f"rgba{k}"] = integers(
            (255 * torch.cat([g.colors, g.opacities[:, None]], 1)).clamp(0, 255), np.uint8
        )
    arrays |= {f"offset{k + 1}": integers(o / offset_step, np.int8) for k, o in enumerate(offsets)}
    return Packet(header, arrays)


def _add_basis(
    packet: Packet,
    moments: list[dict[str, Tensor]],
    pushed: list[dict[str, Tensor]],
    components: int,
    fault: float,
) -> None:
    """Principal components of `moments` (changes since the rest), then `pushed`, as int8 rows of four.

    Steps are chosen so that rounding moves no Gaussian by more than about `fault` tolerances; rows at the end that are all zero are left out.
    """
    names, sizes = list(moments[0]), [x.numel() for x in moments[0].values()]
    tolerance = {n: TOLERANCE[n.rstrip("01")] for n in names}
    flat = torch.stack(
        [torch.cat([x.flatten() / tolerance[n] for n, x in m.items()]) for m in moments]
    ).double()
    values, vectors = torch.linalg.eigh(flat @ flat.T)
    keep = min(components, len(moments))
    scores = (vectors[:, -keep:] * values[-keep:].clamp_min(1e-12).sqrt()).flip(1)  # (T, K)
    weights = torch.linalg.lstsq(scores, flat).solution.float()  # (K, everything)
    basis = [
        {n: p.reshape(moments[0][n].shape) * tolerance[n] for n, p in zip(names, w.split(sizes))}
        for w in weights
    ]
    reach = [*scores.abs().max(0).values.tolist(), *[1.0] * len(pushed)]
    chunks, at = {n: [] for n in names}, dict.fromkeys(names, 0)
    packet.header["components"] = []
    for parts, far in zip(basis + pushed, reach):
        steps, codes = {}, {}
        for n, x in parts.items():
            steps[n] = max(float(x.abs().max()) / 127, fault * tolerance[n] / max(far, 1e-9))
            codes[n] = (
                (torch.nn.functional.pad(x, (0, 4 - x.shape[1])) / steps[n])
                .round()
                .numpy()
                .astype(np.int8)
            )
        rows = max(int(np.flatnonzero(c.any(1))[-1]) + 1 if c.any() else 0 for c in codes.values())
        packet.header["components"].append({"rows": rows, "steps": steps, "starts": dict(at)})
        for n, c in codes.items():
            chunks[n].append(c[:rows].ravel())
            at[n] += 4 * rows
    packet.arrays |= {f"d{n}": np.concatenate(c) for n, c in chunks.items()}
    packet.arrays["coefficients"] = scores.float().numpy()


def _rigid(capture: Capture, motion: Motion, index: np.ndarray) -> np.ndarray:
    """Per frame 32 numbers: the head's scaled rotation 9, translation 3, quaternion 4; the chest's likewise."""
    rows = []
    for t in index:
        S, rest, pose, torso = capture.scale, capture.rest, motion.pose[t], motion.torso[t]
        R_rest, R_torso = so3_exp(rest[:3]), so3_exp(torso[:3])
        chest_q = quat_multiply(axis_angle_to_quat(torso[:3]), axis_angle_to_quat(rest[:3]))
        rows.append(
            torch.cat(
                [
                    (S * so3_exp(pose[:3])).flatten(),
                    pose[3:],
                    axis_angle_to_quat(pose[:3]),
                    (S * R_torso @ R_rest).flatten(),
                    R_torso @ rest[3:] + torso[3:],
                    chest_q,
                ]
            )
        )
    return torch.stack(rows).numpy().astype(np.float32)
