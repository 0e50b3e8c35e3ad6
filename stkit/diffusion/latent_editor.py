"""What every editor by a Stable Diffusion pipeline shares: latents, text states, joint editing.

Whoever adds an editor says how its pipeline is loaded, what it is conditioned on and how its
answers are mixed.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from stkit.diffusion import together
from stkit.diffusion.ddim import DDIM
from stkit.diffusion.loading import choose_device, choose_dtype, load_or_explain
from stkit.diffusion.protocols import PromptError
from stkit.diffusion.together import AttentionNetwork
from stkit.errors import RequestError

STEPS = 20  # DDIM steps, as Instruct-NeRF2NeRF and GaussCtrl
CHUNK = 8  # pictures that go through the autoencoder at once; the kit's
LEAST_TOKENS = 10  # transformers makes an empty tokenizer where its files are missing


class LatentEditor(ABC):
    """A diffusers pipeline with text encoder, UNet and VAE, by folder or hub id.

    s_T: text guidance. steps: of DDIM. device: 'auto' (CUDA where torch sees it), 'cpu', 'cuda'.
    Half precision on CUDA. Raises FileNotFoundError with the remedy if the weights cannot be
    loaded.
    """

    kind: str  # of the pipeline, for captions and messages
    wants_depth: bool

    def __init__(
        self,
        model: str,
        s_T: float,
        steps: int = STEPS,
        device: str = "auto",
        name: str = "",
        stand_in: str = "",
    ):
        from diffusers import DDIMScheduler

        self.name = name or f"{self.kind} ({model})"
        self.stand_in = stand_in
        self.s_T = s_T
        self.steps = steps
        self.device = choose_device(device)
        self.pipe = load_or_explain(
            lambda: self._load_whole(model), self.kind, model, self._remedy()
        ).to(self.device)
        self.unet: AttentionNetwork = self.pipe.unet
        self.controlnet: AttentionNetwork | None = None
        schedule = DDIMScheduler.from_config(self.pipe.scheduler.config)
        self.ddim = DDIM(schedule, self.pipe.unet.dtype)
        self._text: dict[str, Tensor] = {}

    def _load_whole(self, model: str):
        """The pipeline; ValueError where it lacks a part that its loaders do not miss."""
        pipe = self._load(
            model,
            dtype=choose_dtype(self.device),
            safety_checker=None,
            requires_safety_checker=False,
            use_safetensors=True,
        )
        if len(pipe.tokenizer) < LEAST_TOKENS:
            raise RequestError("tokenizer/tokenizer.json (or vocab.json and merges.txt) is missing")
        pipe.set_progress_bar_config(disable=True)
        return pipe

    @abstractmethod
    def _load(self, model: str, **options):
        """The diffusers pipeline of a folder or hub id, with options of `from_pretrained`."""

    @abstractmethod
    def _remedy(self) -> str:
        """What to do where the weights are missing, one sentence."""

    @abstractmethod
    def condition(self, images: list[Tensor]) -> Tensor:
        """What `predict` and `unguided` are conditioned on, from pictures (H, W, 3) of one size."""

    @abstractmethod
    def predict(
        self,
        x: Tensor,
        t: int,
        condition: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Clean latents and noise in x (V, 4, h, w) at timestep t.

        Guided by text states (3, L, D) and the condition of `views` pictures.
        """

    @abstractmethod
    def unguided(self, x: Tensor, t: int, condition: Tensor, text: Tensor, views: int) -> Tensor:
        """The network's answer for x (V, 4, h, w) at timestep t without text."""

    def quicker(self, steps: int) -> Self:
        """The same editor, its networks shared, with another number of DDIM steps."""
        other = copy.copy(self)
        other.steps = steps
        return other

    def check(self, prompt: str) -> None:
        """Raise PromptError if the prompt is empty."""
        if not prompt.strip():
            raise PromptError(
                "the prompt is empty; write an instruction such as 'turn him into a bronze statue'"
            )

    def edit_together(
        self,
        images: list[Tensor],
        prompt: str,
        conditions: list[Tensor],
        generator: torch.Generator,
        text_guidance: float = 1.0,
    ) -> list[Tensor]:
        """All views at once, at full strength and in agreement (see `together`)."""
        return together.edit_together(self, images, prompt, conditions, generator, text_guidance)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a picture inside the model.

        The longer side is what the UNet was trained at, each side a multiple of what it can halve.
        """
        vae, unet = self.pipe.vae.config, self.pipe.unet.config
        factor = 2 ** (len(vae.block_out_channels) - 1)
        unit = factor * 2 ** (len(unet.block_out_channels) - 1)
        scale = unet.sample_size * factor / max(height, width)
        inside = [max(round(side * scale / unit), 1) * unit for side in (height, width)]
        return inside[0], inside[1]

    def timesteps(self, b: float) -> Tensor:
        """The DDIM steps (steps,) for strength b, highest first."""
        return self.ddim.timesteps(b, self.steps)

    def resize(self, images: list[Tensor]) -> Tensor:
        """Pictures (H, W, 3) at the model's size (V, 3, h, w), on its device, in its precision."""
        size = self.working_size(*images[0].shape[:2])
        stack = torch.stack(images).permute(0, 3, 1, 2)
        small = torch.nn.functional.interpolate(stack, size, mode="bilinear", antialias=True)
        return small.to(self.device, self.pipe.unet.dtype)

    def latents(self, images: list[Tensor]) -> Tensor:
        """Unscaled latents (V, 4, h, w) of pictures (H, W, 3) of one size."""

        def encode(pictures: Tensor) -> Tensor:
            return self.pipe.vae.encode(pictures).latent_dist.mode()

        return in_chunks(encode, self.resize(images) * 2 - 1)

    def encode(self, images: list[Tensor]) -> Tensor:
        """Scaled latents (V, 4, h, w) of pictures (H, W, 3) of one size: what noise is added to."""
        return self.latents(images) * self.pipe.vae.config.scaling_factor

    def decode(self, x: Tensor, before: Tensor, images: list[Tensor]) -> list[Tensor]:
        """Pictures (H, W, 3) in [0, 1] of scaled latents x, on the CPU.

        A model smaller than the pictures gives its change against the latents `before`: the
        pictures' detail stays. Raises ValueError if a picture is not finite.
        """
        height, width = images[0].shape[:2]
        out = self._show(x, height, width)
        if self.working_size(height, width)[0] < height:
            out = torch.stack(images) + out - self._show(before, height, width)
        if not torch.isfinite(out).all():
            raise RequestError(
                f"{self.name} gave a picture that is not finite (NaN or infinity): its weights are "
                "damaged, or overflow in half precision. Fetch the weights again, try the device "
                "'cpu', or take another editor"
            )
        return list(out.clamp(0, 1))

    def _show(self, x: Tensor, height: int, width: int) -> Tensor:
        """Decoded latents at the pictures' size (V, H, W, 3)."""

        def show(latents: Tensor) -> Tensor:
            factor = self.pipe.vae.config.scaling_factor
            pictures = self.pipe.vae.decode(latents / factor).sample.float() / 2 + 0.5
            large = torch.nn.functional.interpolate(
                pictures, (height, width), mode="bilinear", antialias=True
            )
            return large.permute(0, 2, 3, 1).cpu()

        return in_chunks(show, x)

    def text_states(self, prompt: str) -> Tensor:
        """Text states (3, L, D): of the prompt, and twice of no text."""
        if prompt not in self._text:
            tokenizer, encoder = self.pipe.tokenizer, self.pipe.text_encoder
            ids = tokenizer(
                [prompt, "", ""],
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            )
            self._text[prompt] = encoder(ids.input_ids.to(self.device))[0].to(self.pipe.unet.dtype)
        return self._text[prompt]


def in_chunks(process: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """process(batch), a few rows at a time: all full-size views do not fit in memory at once."""
    return torch.cat([process(part) for part in batch.split(CHUNK)])
