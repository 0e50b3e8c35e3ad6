"""What each stage shows of itself on the run's page: pictures and clips with alt text and captions."""

from pathlib import Path

import numpy as np
import torch

from stkit.driving import motion as animate
from stkit.io import images as plots
from stkit.io.images import marked, spread
from stkit.export.ply import save_ply
from stkit.capture.capture import Capture
from stkit.editing.loop import EditSettings
from stkit.editing.strength import sample_strength
from stkit.editing.weights import landmark_set, point_weights, weight, weight_image
from stkit.runs.scores import followed
from stkit.geometry import generator
from stkit.runs.store import Stage
from stkit.viewers.page import save_avatar

VIEWS_SAID = {
    "mesh-prior": "mesh-prior views (stand-in for V3D). The neutral frame's colours on the fitted mesh; hidden parts by mirror and smooth fill"
}






def model_picture(capture: Capture, t: int) -> torch.Tensor:
    """The fitted face model, grey, as frame t."""
    from stkit.space import to_world
    from stkit.geometry import vertex_normals
    from stkit.render import render_mesh

    face = capture.face()
    world = to_world(face.verts(capture.identity, capture.beta[t]), capture.frame_pose(t))
    key, fill = torch.tensor([-0.41, 0.41, 0.82]), torch.tensor([0.55, 0.14, 0.82])
    normals = vertex_normals(world, face.faces)
    grey = 0.25 + 0.45 * (normals @ key).clamp_min(0) + 0.15 * (normals @ fill).clamp_min(0)
    return render_mesh(world, face.faces, grey[:, None].expand(-1, 3), capture.camera, background=1.0).image


def tracking(stage: Stage, capture: Capture, losses: list[list[float]]) -> None:
    """Frames with detected and fitted landmarks, mattes, the fitted head; beta and pose over time."""
    frames = spread(list(range(len(capture))), 5)
    points = [marked(torch.from_numpy(capture.frames[t]) / 255, (capture.landmarks[t, :, :2], (86, 180, 233)),
                     (capture.camera.project(capture.landmarks3d[t]), (213, 94, 0))) for t in frames]
    rows = [points, [capture.image(t) for t in frames], [model_picture(capture, t) for t in frames]]
    stage.figure("tracking", plots.sheet(rows, [f"frame {t}" for t in frames], ["landmarks", "matted", "fitted"]),
                 "Five frames of the clip with landmarks, the same cut out over white, and the fitted grey head in the same poses",
                 "Blue: MediaPipe's points. Orange: the fitted face model's 66 landmarks, with this person's constant offsets. Below: matte over white, and the fitted head.")

    def draw(fig):
        a, b, c = fig.subplots(1, 3)
        big = capture.beta.std(0).argsort(descending=True)[:6]
        a.plot(capture.beta[:, big], lw=1)
        a.set(title="the six liveliest beta", xlabel="frame")
        b.plot(torch.rad2deg(capture.pose[:, :3]), lw=1)
        b.set(title="head rotation (degrees)", xlabel="frame")
        b.legend(["x", "y", "z"], fontsize=8, frameon=False)
        for name, values in zip(("landmarks", "pixels"), losses):
            c.semilogy(values, lw=1, label=name)
        c.set(title="loss of the fit", xlabel="step")
        if losses:
            c.legend(fontsize=8, frameon=False)

    stage.figure("signals", plots.figure(draw), "Curves of expression coefficients and head rotation over the frames, and the falling fit loss",
                 "What the tracker hands on: expression and pose, frame by frame.")


def mesh(stage: Stage, head, capture: Capture, history: dict) -> None:
    """Frames beside the mesh head, turned views, losses."""
    train, test = capture.split()
    frames = spread(train, 3) + spread(test, 2)
    names = [f"frame {t}" + (" (held out)" if t in test else "") for t in frames]
    stage.figure("mesh_frames", plots.sheet([[capture.image(t) for t in frames], [head.render_frame(capture, t).image for t in frames]], names, ["truth", "mesh"]),
                 "Video frames above, the deformed mesh with its colours below, in the same poses",
                 "The mesh head follows outline and pose; its colour is coarse on purpose, detail comes with the Gaussians.")
    angles = (-60.0, -30.0, 30.0, 60.0, 90.0, 180.0)
    turned = [head.render_frame(capture, capture.neutral, c).image for c in capture.orbit_cameras(angles)]
    stage.figure("mesh_orbit", plots.sheet([turned], [f"{a:+.0f} deg" for a in angles]), "The mesh head at the neutral frame seen from six sides",
                 "The same mesh from other sides. The back was never filmed: its shape is the fitted face model's.")
    terms = {k: v for k, v in history.items() if k not in ("vertices",)}
    stage.figure("mesh_losses", plots.curves(terms, "stage 02, weighted loss terms"), "Loss curves of the mesh stage falling over the steps",
                 "Each term of Eq. 4-5 with its weight. The step in the curves is the change to the finer grid.")


def gaussian(stage: Stage, head, capture: Capture, views, train: list[int], test: list[int], history: dict) -> None:
    """Views, held-out frames, turned views, losses."""
    if views is not None:
        stage.figure("views", plots.sheet([list(views.images)], [f"{a:+.0f} deg" for a in views.azimuths]),
                     f"{len(views.images)} views of the head, turned by up to {max(abs(a) for a in views.azimuths):.0f} degrees to both sides",
                     f"Training views: {VIEWS_SAID.get(views.source, views.source)}.")
    frames = spread(test, 5)
    pairs = [[capture.image(t) for t in frames], [head.render_frame(capture, t) for t in frames]]
    pairs.append([1 - 3 * (a - b).abs() for a, b in zip(*pairs)])
    stage.figure("held_out", plots.sheet(pairs, [f"frame {t}" for t in frames], ["truth", "ours", "error x3"]),
                 "Five held-out frames, the Gaussian head in the same poses, and where they differ", "Frames the training never saw.")
    angles = (-60.0, -30.0, 0.0, 30.0, 60.0)
    turned = [head.render_frame(capture, capture.neutral, c) for c in capture.orbit_cameras(angles)]
    stage.figure("orbit", plots.sheet([turned], [f"{a:+.0f} deg" for a in angles]), "The Gaussian head at the neutral frame from five sides",
                 "Novel views. Beyond what the video showed they are as good as the training views.")
    stage.figure("losses", plots.curves(history, "stage 03"), "Loss curves of the Gaussian stage", "Image and mask loss over the steps.")


def weights(stage: Stage, head, capture: Capture, alpha: float, landmarks: str) -> None:
    """w and 1 - w on the head, sweeps of alpha and landmark set, the curve w(d)."""
    t = capture.neutral
    arguments = capture.frame_pose(t)
    image = head.render_frame(capture, t)
    alpha_map = None

    def picture(a: float, name: str, one_minus: bool = False):
        nonlocal alpha_map
        w = point_weights(head, landmark_set(capture, name), a)
        with torch.no_grad():
            alpha_map = head.render(capture.camera, arguments)[1] if alpha_map is None else alpha_map
        m = weight_image(head, 1 - w if one_minus else w, capture.camera, arguments)
        return plots.u8(torch.from_numpy(plots.colour_map(m)) / 255 * alpha_map + 1 - alpha_map)

    stage.figure("weight_map", plots.sheet([[image, picture(alpha, landmarks), picture(alpha, landmarks, True)]], ["head", f"w, alpha = {alpha:g}", "1 - w"], height=280),
                 "The head, its weight map bright on the face and dark on hair and clothes, and the opposite map",
                 f"Eq. 8's w (strong edits) and 1 - w (weak edits), {landmarks} landmarks; dark blue 0, yellow 1 (viridis).")
    alphas = (1.0, 2.5, 5.0, 10.0, 20.0)
    stage.figure("alpha_sweep", plots.sheet([[picture(a, s) for a in alphas] for s in ("66", "dense")], [f"alpha {a:g}" for a in alphas], ["66", "dense"]),
                 "Weight maps for five values of alpha, with 66 landmarks above and the dense set below",
                 "Small alpha edits everything, large alpha only dots around the landmarks. The dense set covers all skin.")

    def draw(fig):
        a, b = fig.subplots(1, 2)
        d = torch.linspace(0, 1.2, 200)
        for value in alphas:
            a.plot(d * 10, weight(d, value), label=f"alpha {value:g}")
        a.set(xlabel="distance to the nearest landmark (cm)", ylabel="w", title="w = 2 sigmoid(-alpha d)")
        a.legend(fontsize=8, frameon=False)
        b.hist(point_weights(head, landmark_set(capture, landmarks), alpha).numpy(), bins=40)
        b.set(xlabel="w", title="how many Gaussians have which w")

    stage.figure("weight_curves", plots.figure(draw), "Curves of w against distance for five alphas, and a histogram of w over the Gaussians",
                 "w is 0.5 at 2.2 cm for the paper's alpha = 5.")
    w = point_weights(head, landmark_set(capture, landmarks), alpha)
    stage.record("weights.mean", float(w.mean()))
    stage.record("weights.above_half", float((w > 0.5).float().mean()))


def edit(
    stage: Stage, original, edited, capture: Capture, shots, log, settings: EditSettings, editor, test: list[int], history: dict
) -> None:
    """Before and after, targets, strengths, losses."""
    label = f"'{settings.prompt}' by {editor.name}"
    frames = spread(test, 5)
    rows = [
        [capture.image(t) for t in frames],
        [original.render_frame(capture, t) for t in frames],
        [edited.render_frame(capture, t) for t in frames],
    ]
    stage.figure("before_after", plots.sheet(rows, [f"frame {t}" for t in frames], ["video", "head", "edited"]),
                 f"Held-out video frames, the head before, and the head after the edit {settings.prompt!r}", f"Held-out frames before and after {label}.")
    angles = (-60.0, -30.0, 0.0, 30.0, 60.0)
    cameras = capture.orbit_cameras(angles)
    rows = [[h.render_frame(capture, capture.neutral, c) for c in cameras] for h in (original, edited)]
    stage.figure("edited_orbit", plots.sheet(rows, [f"{a:+.0f} deg" for a in angles], ["head", "edited"]), "The head before and after the edit from five sides",
                 f"The edit is in 3D. {label}.")
    image, prompt = capture.image(capture.neutral), settings.prompt
    from stkit.editing.shots import make_shots, shot_landmarks

    if not getattr(editor, "wants_depth", False):
        shot = make_shots(capture, None, [capture.neutral], 1)[0]
        levels = (0.1, 0.3, 0.5, 0.7, 0.9)
        made = [
            editor.edit(image, prompt, b, image, generator(settings.seed, "grid"), landmarks=shot_landmarks(original, shot)) for b in levels
        ]
        stage.figure("strengths", plots.sheet([[image, *made]], ["original", *[f"b = {b}" for b in levels]]), "One frame edited at five strengths, from hardly visible to strong",
                     f"What strength b does (paper Fig. 2, bottom): {label}.")

    def draw(fig):
        a, b = fig.subplots(1, 2)
        a.plot(np.convolve(history["loss"], np.ones(9) / 9, "valid"), lw=1)
        a.set(xlabel="step", ylabel="weighted L1", title="edit loss")
        many = sample_strength(4000, generator(0, "b"), settings.sampler).numpy()
        b.hist(many, bins=40, density=True, alpha=0.4, label=f"{settings.sampler}")
        b.hist([e["b"] for e in log], bins=20, density=True, histtype="step", label="this run")
        b.axvline(settings.b_boundary, color="k", ls="--", label="boundary")
        b.set(xlabel="b", title="strengths")
        b.legend(fontsize=8, frameon=False)

    stage.figure("edit_curves", plots.figure(draw), "The edit's loss over the steps, and a histogram of the strengths with the boundary",
                 "Right of the dashed line targets weigh w, left of it 1 - w.")


def animation(
    stage: Stage, work: Path, head, edited, capture: Capture, driver: Capture | None, profile, seed: int, prompt: str, editor: str, progress
) -> None:
    """Driven, orbiting and side-by-side clips, the ply, avatar.html, and the mouth's correlation with the driver."""
    count = profile.video_frames
    shown = edited or head
    if driver is None:
        driver = capture
        motion = animate.own_motion(capture)
        what = "its own clip"
    else:
        motion = animate.retarget(driver, capture)
        what = "another clip"
    indices = spread(list(range(len(motion))), count)
    motion, source = animate.part(motion, indices), driver.subset(indices)
    left = (np.stack([source.image(k).numpy() for k in range(len(source))]) * 255).astype(np.uint8)
    clips = [left, animate.play(head, capture, motion, progress=progress)]
    if edited is not None:
        clips.append(animate.play(edited, capture, motion, progress=progress))
    fps = max(5.0, min(25.0, len(indices) / max(float(source.times[-1] - source.times[0]), 0.5)))
    if left.shape[1] != clips[1].shape[1]:
        raise ValueError(f"driver frames are {left.shape[1]} px, the head renders {clips[1].shape[1]} px; preprocess both in one profile")
    stage.video(
        "driven",
        animate.side_by_side(*clips),
        fps,
        "Video: the driver, the head doing the same, and the edited head",
        f"Driver, head{', edited head' if edited else ''}; driven by {what}.",
    )
    swing = animate.orbit(capture, count)
    still = animate.still(capture, count)
    turned = [animate.play(h, capture, still, swing, progress) for h in ([head, edited] if edited is not None else [head])]
    stage.video(
        "orbit",
        animate.side_by_side(*turned),
        25,
        "Video: the camera swings to 45 degrees on both sides of the head",
        "The neutral frame from a moving camera.",
    )
    performance = animate.scripted(capture, count, seed)
    stage.video(
        "scripted",
        animate.play(shown, capture, performance, progress=progress),
        25,
        "Video: the head speaks, blinks and turns by a script",
        "A scripted performance that nobody gave: speech-like lips, blinks, turns.",
    )
    stage.record("animate.points", save_ply(shown, capture, work / "head.ply"))
    same_points = edited is None or len(edited.xyz) == len(head.xyz)  # GaussianEditor splits some: then there is nothing to wipe between
    avatar = save_avatar(
        head if same_points else edited, capture, work / "avatar.html", edited if same_points else None, motion, title=f"{stage.run}: a talking head", prompt=prompt if edited is not None else "",
        editor=editor, provenance=f"Made by stkit from {Path(capture.source).name}, driven by {what}.",
    )
    stage.record("avatar.bytes", avatar.bytes)
    stage.record("avatar.psnr", float(np.mean(avatar.psnr)))
    stage.record("avatar.psnr_worst", min(avatar.psnr))
    follows, wanted, got = followed(head, capture, motion, source)
    for name, r in zip(("mouth", "lids"), follows):
        stage.record(f"animate.{name}_corr", r)
    stage.record("animate.driver", what)
    keys = spread(list(range(len(indices))), 5)
    rows = [[c[k] for k in keys] for c in clips]
    stage.figure("driven", plots.sheet(rows, [f"frame {indices[k]}" for k in keys], ["driver", "head", "edited"][: len(rows)]),
                 "Five moments of the driver above the head and the edited head doing the same", f"Driven by {what}.")

    def draw(fig):
        axes = fig.subplots(1, 2)
        for ax, name, of, k in zip(axes, ("mouth", "lids"), ("eye distance", "width of the eye"), range(2)):
            ax.plot(wanted[:, k], label="driver")
            ax.plot(got[:, k], label="result (unedited head, seen by MediaPipe)")
            ax.set(xlabel="frame", ylabel=f"gap / {of}", title=f"{name}, correlation {follows[k]:.2f}")
        axes[0].legend(fontsize=8, frameon=False)

    stage.figure(
        "mouth",
        plots.figure(draw),
        "Curves of the opening of mouth and lids of driver and result over the frames",
        "Do mouth and lids follow?",
    )
