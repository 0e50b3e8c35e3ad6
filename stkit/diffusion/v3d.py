"""V3D: 18 views around one picture, by a Stable Video Diffusion pipeline that was fine-tuned on orbits (lineage.md 3).

The released file is an sgm checkpoint; this loads a diffusers folder (UNet converted, encoder and VAE of SVD-XT). What differs
from plain SVD: 18 frames of 512 pixels, flat guidance, and noise on the encoded latent instead of the pixels.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import StableVideoDiffusionPipeline
from safetensors import SafetensorError
from torch import Tensor

from stkit.cameras import Camera, orbit_camera
from stkit.capture.capture import Capture
from stkit.heads.mesh import MeshHead
from stkit.metrics import iou
from stkit.render import render_mesh
from stkit.space import skin_weight
from stkit.views import FRONTAL, Views

FRAMES, STEP = 18, 20.0
RADIUS, FOCAL = (
    2.0,
    443.405 / 512,
)  # V3D's camera: distance in its units, focal length in image widths (60 degrees)
BORDER = 0.3
LONGEST = (1 - BORDER) / FOCAL * RADIUS  # a mask's longest side in V3D's units: 1.617


class V3DPipeline(StableVideoDiffusionPipeline):
    """SVD with `latent_noise` added to the picture's latent, and told to the network, as V3D was trained."""

    latent_noise: float = 0.02
    noise_source: torch.Generator | None = None

    def _encode_vae_image(self, image, device, num_videos_per_prompt, do_classifier_free_guidance):
        latents = super()._encode_vae_image(
            image, device, num_videos_per_prompt, do_classifier_free_guidance
        )
        noise = torch.randn(latents[-1:].shape, generator=self.noise_source).to(latents)
        return torch.cat([latents[:-1], latents[-1:] + self.latent_noise * noise])

    def _get_add_time_ids(self, fps, motion_bucket_id, noise_aug_strength, *rest):
        return super()._get_add_time_ids(fps, motion_bucket_id, self.latent_noise, *rest)


@dataclass
class V3DViews:
    """Provider of views by a V3D (or any SVD-type) pipeline folder or id; `scores` holds each view's agreement with the fitted head.
    `source`: what the views say of who made them (default: V3D and the model's name).

    Published settings: guidance 3.5, 25 steps, fps 1, motion bucket 300, noise 0.02, seed 23, 512 pixels. At full size this takes at least 7 GB in half
    precision: 4.5 GB of weights (UNet 1.52, CLIP 0.63, VAE 0.10 billion parameters) and about 2 GB of activations for 2 x 18 frames.
    """

    model: str
    guidance: float = 3.5
    steps: int = 25
    fps: int = 1
    bucket: int = 300
    noise: float = 0.02
    seed: int = 23
    size: int = 512
    least_iou: float = 0.5
    source: str = ""
    scores: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float16 if self.device == "cuda" else torch.float32
        try:
            self.pipe = V3DPipeline.from_pretrained(
                self.model, dtype=dtype, use_safetensors=True
            ).to(self.device)
        except (OSError, ValueError, SafetensorError) as e:
            where = (
                "the folder is incomplete"
                if Path(self.model).is_dir()
                else "no such folder here, and the model hub did not answer"
            )
            raise FileNotFoundError(
                f"V3D weights '{self.model}' could not be loaded: {where} ({str(e).splitlines()[0]}). Give a diffusers folder of class "
                "StableVideoDiffusionPipeline with V3D's UNet, or leave --views out to take mesh-prior views"
            ) from e
        self.pipe.set_progress_bar_config(disable=True)

    def orbit(self, image: Tensor, matte: Tensor) -> Tensor:
        """18 pictures (18, P, P, 3) around the figure in a picture (H, W, 3) with its matte (H, W, 1); number k is turned by 20 k degrees."""
        from PIL import Image

        P = self.size
        picture = Image.fromarray((recentre(image, matte, P) * 255).round().byte().numpy())
        self.pipe.latent_noise, self.pipe.noise_source = (
            self.noise,
            torch.Generator().manual_seed(self.seed + 1),
        )
        out = self.pipe(
            picture,
            height=P,
            width=P,
            num_frames=FRAMES,
            num_inference_steps=self.steps,
            min_guidance_scale=self.guidance,
            max_guidance_scale=self.guidance,
            fps=self.fps + 1,
            motion_bucket_id=self.bucket,
            noise_aug_strength=0.0,
            decode_chunk_size=6,
            generator=torch.Generator().manual_seed(self.seed),
            output_type="pt",
        )
        return out.frames[0].float().cpu().permute(0, 2, 3, 1).clamp(0, 1)

    def __call__(
        self, capture: Capture, head: MeshHead, azimuths: tuple[float, ...] = FRONTAL
    ) -> Views:
        """Views of the neutral frame; those that disagree with the fitted head are left out.

        Raises ValueError for azimuths that are no multiples of 20 degrees, or if no view agrees.
        """
        if any(a % STEP for a in azimuths):
            raise ValueError(
                f"V3D turns by steps of {STEP:g} degrees; {[a for a in azimuths if a % STEP]} are not multiples of it"
            )
        t = capture.neutral
        return self.agreeing(
            self.orbit(capture.image(t), capture.matte(t)), capture, head, azimuths
        )

    @torch.no_grad()
    def agreeing(
        self, frames: Tensor, capture: Capture, head: MeshHead, azimuths: tuple[float, ...]
    ) -> Views:
        """The pictures of an orbit (18, P, P, 3) at these azimuths, judged against the head fitted to the neutral frame."""
        t, S = capture.neutral, capture.size
        mesh = head.posed(capture.frame_pose(t))
        verts, world, faces = mesh.neutral, mesh.world, mesh.faces
        on_head = skin_weight(verts)
        images, alphas, trusts, cameras, kept = [], [], [], [], []
        self.scores.clear()
        for a, camera in zip(azimuths, v3d_cameras(capture, azimuths)):
            picture = frames[round(a / STEP) % FRAMES].permute(2, 0, 1)[None]
            picture = torch.nn.functional.interpolate(
                picture, (S, S), mode="bilinear", antialias=True
            )[0].permute(1, 2, 0)
            alpha = figure_mask(picture)
            agreement = head_agreement(world, faces, on_head, camera, alpha)
            self.scores.append({"azimuth": a, "iou": agreement})
            if agreement < self.least_iou:
                continue
            images.append(picture * alpha + 1 - alpha)
            alphas.append(alpha)
            trusts.append(
                torch.full_like(alpha, min(1.0, 0.1 + (agreement - self.least_iou) / 0.4))
            )
            cameras.append(camera)
            kept.append(a)
        if not kept:
            worst = ", ".join(f"{s['azimuth']:+.0f}: {s['iou']:.2f}" for s in self.scores)
            raise ValueError(
                f"no view of '{self.model}' agrees with the fitted head (IoU by azimuth: {worst}; {self.least_iou} is asked): are these V3D's weights?"
            )
        return Views(
            torch.stack(images),
            torch.stack(alphas),
            torch.stack(trusts),
            cameras,
            tuple(kept),
            self.source or f"V3D ({self.model})",
        )


def head_agreement(
    world: Tensor, faces: Tensor, on_head: Tensor, camera: Camera, alpha: Tensor
) -> float:
    """IoU of the mesh's and a picture's figure (H, W, 1) down to the chin: how much of the chest is in the picture is chance.

    on_head (V, 1): 1 above the neck, 0 on the chest.
    """
    out = render_mesh(world, faces, on_head, camera)
    last = chin_row(out.image)
    return iou(out.mask[:last], alpha[:last]) if last else 0.0


def chin_row(on_head: Tensor) -> int:
    """How many rows of a picture of `on_head` (H, W, 1) reach down to the chin; 0 if no head is in it."""
    rows = torch.nonzero((on_head[..., 0] > 0.9).any(1))[:, 0]
    return int(rows.max()) + 1 if len(rows) else 0


def box_of(matte: Tensor) -> tuple[float, float, float]:
    """Centre (x, y) and longest side of a matte's figure (H, W, 1), in pixels. ValueError if it is empty."""
    ys, xs = torch.nonzero(matte[..., 0] > 0.5, as_tuple=True)
    if not len(xs):
        raise ValueError("the neutral frame's matte is empty; look at preprocess/tracking.png")
    low, high = (
        torch.stack([xs.min(), ys.min()]).float(),
        torch.stack([xs.max(), ys.max()]).float() + 1,
    )
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def recentre(image: Tensor, matte: Tensor, size: int) -> Tensor:
    """The figure of a picture over white in the middle of a square (size, size, 3), its longest side 0.7 of the square's."""
    x, y, longest = box_of(matte)
    H, W = image.shape[:2]
    half = longest / (1 - BORDER) / 2
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    gy, gx = torch.meshgrid(y + half * steps, x + half * steps, indexing="ij")
    grid = torch.stack([gx / W * 2 - 1, gy / H * 2 - 1], -1)[None]
    dark = (1 - image).permute(2, 0, 1)[None]  # what is outside the picture becomes white
    return 1 - torch.nn.functional.grid_sample(dark, grid, mode="bilinear", align_corners=False)[
        0
    ].permute(1, 2, 0).clamp(0, 1)


def v3d_cameras(capture: Capture, azimuths: tuple[float, ...]) -> list[Camera]:
    """V3D's cameras in the head's world at the neutral frame, at the capture's size."""
    t = capture.neutral
    return cameras_around(
        capture.matte(t), capture.camera, capture.head_centre(t), azimuths, capture.size
    )


def cameras_around(
    matte: Tensor, camera: Camera, head: Tensor, azimuths: tuple[float, ...], size: int
) -> list[Camera]:
    """V3D's cameras of `size` pixels around the middle of a matte's figure: 2 of its units away, 60 degrees wide.

    matte (H, W, 1) is `camera`'s; head (3,) gives the figure's depth, world decimetres. One unit is the figure's longest side
    over 1.617. V3D sees with perspective what a telephoto lens filmed: its pictures fit in the middle and are off towards the ears.
    """
    x, y, longest = box_of(matte)
    depth = camera.to_camera(head)[2]
    pixel = depth / camera.K[0, 0]
    in_camera = torch.stack([(x - camera.K[0, 2]) * pixel, (y - camera.K[1, 2]) * pixel, depth])
    pivot = camera.viewmat[:3, :3].T @ (in_camera - camera.viewmat[:3, 3])
    distance = RADIUS * longest * float(pixel) / LONGEST
    viewmat = camera.viewmat.clone()
    viewmat[:3, 3] = -viewmat[:3, :3] @ (
        pivot + camera.viewmat[:3, :3].T @ torch.tensor([0.0, 0.0, -distance])
    )
    K = torch.tensor([[FOCAL * size, 0, size / 2], [0, FOCAL * size, size / 2], [0, 0, 1.0]])
    return [orbit_camera(Camera(viewmat, K, size, size), a, target=pivot) for a in azimuths]


def figure_mask(picture: Tensor) -> Tensor:
    """Mask (H, W, 1), 0 or 1, of what is not white: the largest piece, its holes filled."""
    import cv2
    from scipy.ndimage import binary_fill_holes

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (picture.min(-1).values < 0.95).numpy().astype(np.uint8)
    )
    if count < 2:
        return torch.zeros(*picture.shape[:2], 1)
    largest = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return torch.from_numpy(binary_fill_holes(largest).astype(np.float32))[..., None]
