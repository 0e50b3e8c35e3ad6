"""GaussCtrl's own pipeline: Stable Diffusion held to each view's depth by a ControlNet (lineage.md 5). It edits views together only."""

from pathlib import Path

import torch
from torch import Tensor

from stkit.diffusion.instruct_pix2pix import InstructPix2PixEditor
from stkit.diffusion.protocols import PromptError


class DepthEditor(InstructPix2PixEditor):
    """A `StableDiffusionControlNetPipeline` folder, or 'SD_FOLDER+CONTROLNET_FOLDER'; conditions are depth pictures.

    e = e(D, 0) + s_T [e(D, T) - e(D, 0)], D the disparity. The prompt describes the result ("a photo of a marble statue") and is no instruction.
    """

    wants_depth = True

    def _load(self, model: str, **options):
        from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

        if "+" not in model:
            return StableDiffusionControlNetPipeline.from_pretrained(model, **options)
        base, control = model.split("+", 1)
        for folder in (base, control):
            if not Path(folder).is_dir():
                raise ValueError(f"no folder {folder}")
        controlnet = ControlNetModel.from_pretrained(
            control, torch_dtype=options["dtype"], use_safetensors=True
        )
        return StableDiffusionControlNetPipeline.from_pretrained(
            base, controlnet=controlnet, **options
        )

    def edit(
        self, image, prompt, b, condition, generator, landmarks=None, text_guidance=1.0
    ) -> Tensor:
        raise PromptError(
            f"{self.name} edits all views together under their depth and no single picture: take the method 'gaussctrl', or an InstructPix2Pix pipeline"
        )

    def condition(self, images: list[Tensor]) -> Tensor:
        """Depth pictures (H, W, 3) as the ControlNet takes them (V, 3, h, w)."""
        size = self.working_size(*images[0].shape[:2])
        stack = torch.stack(images).permute(0, 3, 1, 2)
        return torch.nn.functional.interpolate(stack, size, mode="bilinear", antialias=True).to(
            self.device, self.pipe.unet.dtype
        )

    def unguided(self, x: Tensor, t: int, original: Tensor, text: Tensor, views: int) -> Tensor:
        return self._answer(x, t, original, text[1:2].repeat_interleave(views, 0))

    def predict(
        self,
        x: Tensor,
        t: int,
        original: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Clean latents and noise in x (V, 4, h, w) at level t, guided by text."""
        out = self._answer(
            x.repeat(2, 1, 1, 1),
            t,
            original.repeat(2, 1, 1, 1),
            text[:2].repeat_interleave(views, 0),
        )
        e_text, e_none = out.chunk(2)
        return self.split(
            x,
            self.schedule.alphas_cumprod[t],
            e_none + self.s_T * text_guidance * (e_text - e_none),
        )

    def _answer(self, x: Tensor, t: int, depth: Tensor, text: Tensor) -> Tensor:
        down, middle = self.pipe.controlnet(
            x, t, encoder_hidden_states=text, controlnet_cond=depth, return_dict=False
        )
        return self.pipe.unet(
            x,
            t,
            encoder_hidden_states=text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample.float()


def disparity(depth: Tensor, alpha: Tensor) -> Tensor:
    """Upstream's depth picture (H, W, 3) of depths (H, W, 1): 1 / (depth + 1e-5) over its largest, 0 where nothing is (alpha below 0.5)."""
    near = torch.where(alpha > 0.5, 1 / (depth + 1e-5), 0.0)
    return (near / near.max().clamp_min(1e-12)).expand(-1, -1, 3)
