"""V3D: 18 views around one picture, by Stable Video Diffusion fine-tuned on orbits (lineage.md 3).

The released file is an sgm checkpoint; this loads a diffusers folder (UNet converted, encoder and
VAE of SVD-XT). What differs from plain SVD: 18 frames of 512 pixels, flat guidance, and noise on
the encoded latent instead of the pixels.
"""

from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor

from stkit.cameras import Camera
from stkit.capture.capture import Capture
from stkit.diffusion.loading import choose_device, choose_dtype, load_or_explain
from stkit.diffusion.v3d_cameras import FRAMES, STEP, chin_row, figure_mask, recentre, v3d_cameras
from stkit.errors import RequestError
from stkit.heads.mesh import MeshHead
from stkit.metrics.pictures import iou
from stkit.render import render_mesh
from stkit.space import skin_weight
from stkit.views import FRONTAL, Views

DECODED_AT_ONCE = 6  # pictures of an orbit that the VAE decodes at once; bounds the memory
# trust in a view that barely agrees with the head, and how much more IoU gives one more; the kit's
LEAST_TRUST, IOU_OF_TRUST = 0.1, 0.4
REMEDY = (
    "Give a diffusers folder of class StableVideoDiffusionPipeline with V3D's UNet, or leave "
    "--views out to take mesh-prior views"
)


@dataclass
class V3DViews:
    """Provider of views by a V3D (or any SVD-type) pipeline, `model` its folder or hub id.

    Published settings: guidance 3.5, 25 steps, fps 1, motion bucket 300, noise 0.02, seed 23, 512
    pixels. least_iou: what a view must reach against the fitted head to be kept; `scores` holds
    each view's. source: what the views say of who made them (default: V3D and the model's name);
    stand_in: as an `Editor`'s. device: 'auto' (CUDA where torch sees it), 'cpu' or 'cuda'. Raises
    FileNotFoundError with the remedy if the weights cannot be loaded.

    At full size this takes at least 7 GB in half precision: 4.5 GB of weights (UNet 1.52, CLIP
    0.63, VAE 0.10 billion parameters) and about 2 GB of activations for 2 x 18 frames.
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
    stand_in: str = ""
    device: str = "auto"
    scores: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from stkit.diffusion.v3d_pipeline import V3DPipeline  # diffusers

        self.device = choose_device(self.device)
        dtype = choose_dtype(self.device)
        pipe = load_or_explain(
            lambda: V3DPipeline.from_pretrained(self.model, dtype=dtype, use_safetensors=True),
            "V3D",
            self.model,
            REMEDY,
        )
        self.pipe = pipe.to(self.device)
        self.pipe.set_progress_bar_config(disable=True)

    def orbit(self, image: Tensor, matte: Tensor) -> Tensor:
        """18 pictures (18, P, P, 3) around the figure in a picture (H, W, 3).

        matte (H, W, 1) is the figure's.

        Number k is turned by 20 k degrees; P is `size`. ValueError if the matte is empty.
        """
        square = recentre(image, matte, self.size)
        picture = Image.fromarray((square * 255).round().byte().numpy())
        self.pipe.latent_noise = self.noise
        self.pipe.noise_source = torch.Generator().manual_seed(self.seed + 1)
        out = self.pipe(
            picture,
            height=self.size,
            width=self.size,
            num_frames=FRAMES,
            num_inference_steps=self.steps,
            min_guidance_scale=self.guidance,
            max_guidance_scale=self.guidance,
            fps=self.fps + 1,  # the pipeline takes one off
            motion_bucket_id=self.bucket,
            noise_aug_strength=0.0,
            decode_chunk_size=DECODED_AT_ONCE,
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
        odd = [a for a in azimuths if a % STEP]
        if odd:
            raise RequestError(
                f"V3D turns by steps of {STEP:g} degrees; {odd} are not multiples of it"
            )
        t = capture.neutral
        pictures = self.orbit(capture.image(t), capture.matte(t))
        return self.agreeing(pictures, capture, head, azimuths)

    @torch.no_grad()
    def agreeing(
        self, pictures: Tensor, capture: Capture, head: MeshHead, azimuths: tuple[float, ...]
    ) -> Views:
        """The pictures of an orbit (18, P, P, 3), at azimuths in degrees, that agree with the head.

        The head is the one fitted to the neutral frame.

        Raises ValueError, with every view's IoU, if none does.
        """
        mesh = head.posed(capture.frame_pose(capture.neutral))
        on_head = skin_weight(mesh.neutral)
        self.scores.clear()
        kept: list[_View] = []
        for azimuth, camera in zip(azimuths, v3d_cameras(capture, azimuths)):
            picture = _resized(pictures[round(azimuth / STEP) % FRAMES], capture.size)
            alpha = figure_mask(picture)
            agreement = head_agreement(mesh.world, mesh.faces, on_head, camera, alpha)
            self.scores.append({"azimuth": azimuth, "iou": agreement})
            if agreement >= self.least_iou:
                kept.append(_View(azimuth, camera, picture * alpha + 1 - alpha, alpha, agreement))
        if not kept:
            ious = ", ".join(f"{s['azimuth']:+.0f}: {s['iou']:.2f}" for s in self.scores)
            raise RequestError(
                f"no view of '{self.model}' agrees with the fitted head (IoU by azimuth: {ious}; "
                f"{self.least_iou} is asked): are these V3D's weights?"
            )
        return Views(
            torch.stack([view.image for view in kept]),
            torch.stack([view.alpha for view in kept]),
            torch.stack([self._trust(view) for view in kept]),
            [view.camera for view in kept],
            tuple(view.azimuth for view in kept),
            self.source or f"V3D ({self.model})",
        )

    def _trust(self, view: "_View") -> Tensor:
        """One trust for all pixels of a view (H, W, 1)."""
        trust = min(1.0, LEAST_TRUST + (view.iou - self.least_iou) / IOU_OF_TRUST)
        return torch.full_like(view.alpha, trust)


@dataclass(frozen=True)
class _View:
    """A view that agrees with the head: image (H, W, 3) over white, alpha (H, W, 1)."""

    azimuth: float
    camera: Camera
    image: Tensor
    alpha: Tensor
    iou: float


def head_agreement(
    world: Tensor, faces: Tensor, on_head: Tensor, camera: Camera, alpha: Tensor
) -> float:
    """IoU of a mesh's and a picture's figure (H, W, 1) down to the chin.

    How much of the chest is in the picture is chance. world (V, 3) decimetres, faces (F, 3);
    on_head (V, 1): 1 above the neck, 0 on the chest.
    """
    out = render_mesh(world, faces, on_head, camera)
    last = chin_row(out.image)
    return iou(out.mask[:last], alpha[:last]) if last else 0.0


def _resized(picture: Tensor, size: int) -> Tensor:
    """(P, P, 3) to (size, size, 3)."""
    channels_first = picture.permute(2, 0, 1)[None]
    out = torch.nn.functional.interpolate(
        channels_first, (size, size), mode="bilinear", antialias=True
    )
    return out[0].permute(1, 2, 0)
