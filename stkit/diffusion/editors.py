"""Editors behind one protocol; InstructPix2Pix through diffusers, used as Instruct-NeRF2NeRF does (lineage.md 4)."""

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor


class PromptError(ValueError):
    """The editor cannot follow this instruction; the message says which it can."""


class Editor(Protocol):
    """Edits one image by a sentence. `stand_in` is True where the result is not a diffusion model's."""

    name: str
    stand_in: bool

    def check(self, prompt: str) -> None:
        """Raise PromptError if the instruction cannot be followed."""
        ...

    def edit(
        self, image: Tensor, prompt: str, b: float, condition: Tensor, generator: torch.Generator, landmarks: Tensor | None = None
    ) -> Tensor:
        """Edited image (H, W, 3) in [0, 1] of `image`, at strength b in [0.02, 0.98], conditioned on the unedited frame.

        `landmarks` (66, 2) pixels help editors that work by regions.
        """
        ...


class InstructPix2PixEditor:
    """Any diffusers `StableDiffusionInstructPix2PixPipeline`, by folder or hub id.

    The render is lifted to noise level t = 1000 b and denoised in 20 DDIM steps under the original image, with
    e = e(0,0) + s_I [e(I,0) - e(0,0)] + s_T [e(I,T) - e(I,0)]. Upstream shrinks the schedule to T and takes 'leading' steps, so the
    first is 19 floor(T / 20) + 1, about 0.95 T; this does the same.
    """

    stand_in = False

    def __init__(
        self, model: str = "timbrooks/instruct-pix2pix", s_T: float = 7.5, s_I: float = 1.5, steps: int = 20, device: str = "auto"
    ):
        from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline

        self.name, self.s_T, self.s_I, self.steps = f"InstructPix2Pix ({model})", s_T, s_I, steps
        if model == "tiny":
            from .tiny import SIZE, WEIGHTS

            model, self.stand_in = str(WEIGHTS), True
            self.name = f"tiny InstructPix2Pix (stand-in: {SIZE} px, trained on synthetic heads)"
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        dtype = torch.float16 if self.device == "cuda" else torch.float32
        try:
            pipe = StableDiffusionInstructPix2PixPipeline.from_pretrained(
                model, dtype=dtype, safety_checker=None, requires_safety_checker=False, use_safetensors=True
            )
        except (OSError, ValueError) as e:
            where = "the folder is incomplete" if Path(model).is_dir() else "no such folder here, and the model hub did not answer"
            raise FileNotFoundError(
                f"InstructPix2Pix weights '{model}' could not be loaded: {where} ({str(e).splitlines()[0]}). Fetch them where there is "
                "a network (huggingface-cli download timbrooks/instruct-pix2pix --local-dir DIR) and give DIR, or use editor='paint'"
            ) from e
        pipe.set_progress_bar_config(disable=True)
        self.pipe = pipe.to(self.device)
        self.schedule = DDIMScheduler.from_config(pipe.scheduler.config)
        self.trained_steps = int(self.schedule.config.num_train_timesteps)
        self._text: dict[str, Tensor] = {}

    def check(self, prompt: str) -> None:
        if not prompt.strip():
            raise PromptError("the prompt is empty; write an instruction such as 'turn him into a bronze statue'")

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The picture's size inside the model: its longer side is what the UNet was trained at, each side a multiple of what it can halve."""
        vae, unet = self.pipe.vae.config, self.pipe.unet.config
        factor = 2 ** (len(vae.block_out_channels) - 1)
        unit = factor * 2 ** (len(unet.block_out_channels) - 1)
        scale = unet.sample_size * factor / max(height, width)
        return tuple(max(round(side * scale / unit), 1) * unit for side in (height, width))

    def timesteps(self, b: float) -> Tensor:
        """The DDIM steps for strength b, highest first."""
        T = max(self.steps, min(int(b * self.trained_steps), self.trained_steps))
        return torch.arange(self.steps).flip(0) * (T // self.steps) + 1

    @torch.no_grad()
    def edit(self, image, prompt, b, condition, generator, landmarks=None) -> Tensor:
        vae, unet, dtype = self.pipe.vae, self.pipe.unet, self.pipe.unet.dtype
        height, width = image.shape[:2]
        size = self.working_size(height, width)
        load = lambda x: torch.nn.functional.interpolate(
            x.permute(2, 0, 1)[None], size, mode="bilinear", antialias=True).to(self.device, dtype) * 2 - 1  # fmt: skip
        latents = vae.encode(load(image)).latent_dist.mode() * vae.config.scaling_factor
        original = vae.encode(load(condition)).latent_dist.mode()
        original = torch.cat([original, original, torch.zeros_like(original)])
        text = self._encode(prompt)
        steps = self.timesteps(b)
        gap = int(steps[0] - steps[1]) if len(steps) > 1 else 1
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        x = self.schedule.add_noise(latents, noise, steps[:1].to(self.device))
        alphas = self.schedule.alphas_cumprod.to(self.device, torch.float32)
        for t in steps.tolist():
            model_in = torch.cat([torch.cat([x] * 3), original], 1)
            e_text, e_image, e_none = unet(model_in, t, encoder_hidden_states=text).sample.float().chunk(3)
            e = e_none + self.s_I * (e_image - e_none) + self.s_T * (e_text - e_image)
            a = alphas[t]
            a_next = (
                alphas[t - gap]
                if t - gap >= 0
                else alphas[0]
                if self.schedule.config.get("set_alpha_to_one") is False
                else x.new_ones((), dtype=torch.float32)
            )
            if self.schedule.config.prediction_type == "v_prediction":
                e = a.sqrt() * e + (1 - a).sqrt() * x.float()
            clean = (x.float() - (1 - a).sqrt() * e) / a.sqrt()
            x = (a_next.sqrt() * clean + (1 - a_next).sqrt() * e).to(dtype)
        decode = lambda z: torch.nn.functional.interpolate(
            vae.decode(z).sample.float() / 2 + 0.5, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0).cpu()  # fmt: skip
        out = decode(x / vae.config.scaling_factor)
        if size[0] < height:  # a model smaller than the picture: its change is added to the picture, whose detail stays
            out = image + out - decode(latents / vae.config.scaling_factor)
        return out.clamp(0, 1)

    def _encode(self, prompt: str) -> Tensor:
        """Text states (3, L, D) in the batch order text, image only, neither."""
        if prompt not in self._text:
            tokenizer, encoder = self.pipe.tokenizer, self.pipe.text_encoder
            ids = tokenizer(
                [prompt, "", ""], padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
            )
            self._text[prompt] = encoder(ids.input_ids.to(self.device))[0].to(self.pipe.unet.dtype)
        return self._text[prompt]


def get_editor(name: str = "paint") -> Editor:
    """'paint' (the rule-based stand-in), 'tiny' (the kit's own InstructPix2Pix), or the folder or hub id of a pipeline."""
    if name == "paint":
        from .paint import PaintEditor

        return PaintEditor()
    return InstructPix2PixEditor(name)
