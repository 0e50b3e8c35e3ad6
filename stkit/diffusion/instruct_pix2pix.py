"""InstructPix2Pix through diffusers, used as Instruct-NeRF2NeRF does (lineage.md 4)."""

import torch
from torch import Tensor

from stkit.diffusion.latent_editor import STEPS, LatentEditor

MODEL = "timbrooks/instruct-pix2pix"
TEXT_GUIDANCE, PICTURE_GUIDANCE = 7.5, 1.5  # s_T and s_I, as published


class InstructPix2PixEditor(LatentEditor):
    """Any diffusers `StableDiffusionInstructPix2PixPipeline`, by folder or hub id.

    The render is lifted to noise level t = 1000 b and denoised in 20 DDIM steps under the original
    image, with e = e(0,0) + s_I [e(I,0) - e(0,0)] + s_T [e(I,T) - e(I,0)].

    At its true size the pipeline has 1.07 billion parameters (UNet 0.86): 2.1 GB in half precision.
    One guided step at 512 pixels adds 0.7 GB to the UNet's 3.4 GB in float32 (`python
    benchmarks/memory.py`).

    Arguments and errors as those of `LatentEditor`; s_I is the picture guidance.
    """

    kind = "InstructPix2Pix"
    wants_depth = False

    def __init__(
        self,
        model: str = MODEL,
        s_T: float = TEXT_GUIDANCE,
        s_I: float = PICTURE_GUIDANCE,
        steps: int = STEPS,
        device: str = "auto",
        name: str = "",
        stand_in: str = "",
    ):
        super().__init__(model, s_T, steps, device, name, stand_in)
        self.s_I = s_I

    def _load(self, model: str, **options):
        from diffusers import StableDiffusionInstructPix2PixPipeline

        return StableDiffusionInstructPix2PixPipeline.from_pretrained(model, **options)

    def _remedy(self) -> str:
        return (
            f"Fetch them where there is a network (huggingface-cli download {MODEL} --local-dir "
            "DIR) and give DIR, or use editor='paint'"
        )

    @torch.no_grad()
    def edit(
        self,
        image: Tensor,
        prompt: str,
        b: float,
        condition: Tensor,
        generator: torch.Generator,
        landmarks: Tensor | None = None,
        text_guidance: float = 1.0,
    ) -> Tensor:
        """The edited picture (H, W, 3); see `protocols.Editor.edit`.

        `landmarks` are not needed here.
        """
        latents, original = self.encode([image]), self.condition([condition])
        text, steps = self.text_states(prompt), self.timesteps(b)
        x = self.ddim.noised(latents, int(steps[0]), generator)
        for t, level in zip(steps.tolist(), self.ddim.levels_after(steps)):
            clean, noise = self.predict(x, t, original, text, 1, text_guidance)
            x = self.ddim.move(clean, noise, level)
        return self.decode(x, latents, [image])[0]

    def condition(self, images: list[Tensor]) -> Tensor:
        """Latents (3 V, 4, h, w): for text and picture, for the picture alone, for neither."""
        original = self.latents(images)
        return torch.cat([original, original, torch.zeros_like(original)])

    def predict(
        self,
        x: Tensor,
        t: int,
        condition: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Clean latents and noise in x (V, 4, h, w) at timestep t, guided by text and picture."""
        answer = self._answer(x.repeat(3, 1, 1, 1), t, condition, text.repeat_interleave(views, 0))
        e_text, e_image, e_none = answer.chunk(3)
        by_picture = self.s_I * (e_image - e_none)
        by_text = self.s_T * text_guidance * (e_text - e_image)
        return self.ddim.split(x, self.ddim.level(t), e_none + by_picture + by_text)

    def unguided(self, x: Tensor, t: int, condition: Tensor, text: Tensor, views: int) -> Tensor:
        """The network's answer for x (V, 4, h, w) at timestep t under the picture alone."""
        return self._answer(x, t, condition[:views], text[1:2].repeat_interleave(views, 0))

    def _answer(self, x: Tensor, t: int, condition: Tensor, text: Tensor) -> Tensor:
        both = torch.cat([x, condition], 1)
        return self.pipe.unet(both, t, encoder_hidden_states=text).sample.float()
