"""GaussCtrl's own pipeline: Stable Diffusion under a depth ControlNet (lineage.md 5)."""

from pathlib import Path

import torch
from torch import Tensor

from stkit.diffusion.latent_editor import STEPS, LatentEditor
from stkit.diffusion.protocols import PromptError
from stkit.errors import RequestError

TEXT_GUIDANCE = 7.5  # s_T, Stable Diffusion's usual one
PIPELINE_CLASS = "ControlNetPipeline"  # how the classes of such pipelines end in model_index.json


def is_depth_pipeline(model: str) -> bool:
    """Whether a name is a pipeline with a ControlNet: one folder, or two joined by '+'."""
    index = Path(model) / "model_index.json"
    if "+" in model:
        return True
    return index.exists() and PIPELINE_CLASS in index.read_text(errors="replace")


class DepthEditor(LatentEditor):
    """Edits views together by a `StableDiffusionControlNetPipeline`, under their depth pictures.

    The model is its folder, or 'SD_FOLDER+CONTROLNET_FOLDER'.

    e = e(D, 0) + s_T [e(D, T) - e(D, 0)], D the disparity. The prompt describes the result ("a
    photo of a marble statue") and is no instruction. It edits views together only. Arguments and
    errors as those of `LatentEditor`.
    """

    kind = "Stable Diffusion with depth ControlNet"
    wants_depth = True

    def __init__(
        self, model: str, s_T: float = TEXT_GUIDANCE, steps: int = STEPS, device: str = "auto"
    ):
        super().__init__(model, s_T, steps, device)
        self.controlnet = self.pipe.controlnet

    def _load(self, model: str, **options):
        from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

        if "+" not in model:
            return StableDiffusionControlNetPipeline.from_pretrained(model, **options)
        base, control = model.split("+", 1)
        for folder in (base, control):
            if not Path(folder).is_dir():
                raise RequestError(f"no folder {folder}")
        controlnet = ControlNetModel.from_pretrained(
            control, torch_dtype=options["dtype"], use_safetensors=True
        )
        return StableDiffusionControlNetPipeline.from_pretrained(
            base, controlnet=controlnet, **options
        )

    def _remedy(self) -> str:
        return (
            "Give the folder of a StableDiffusionControlNetPipeline, or the folders of Stable "
            "Diffusion and of a depth ControlNet as SD_FOLDER+CONTROLNET_FOLDER"
        )

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
        """Raise PromptError: this editor edits all views together, and no single picture."""
        raise PromptError(
            f"{self.name} edits all views together under their depth and no single picture: "
            "take the method 'gaussctrl', or an InstructPix2Pix pipeline"
        )

    def condition(self, images: list[Tensor]) -> Tensor:
        """Depth pictures (H, W, 3) as the ControlNet takes them (V, 3, h, w)."""
        return self.resize(images)

    def predict(
        self,
        x: Tensor,
        t: int,
        condition: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Clean latents and noise in x (V, 4, h, w) at timestep t, guided by text."""
        answer = self._answer(
            x.repeat(2, 1, 1, 1),
            t,
            condition.repeat(2, 1, 1, 1),
            text[:2].repeat_interleave(views, 0),
        )
        e_text, e_none = answer.chunk(2)
        by_text = self.s_T * text_guidance * (e_text - e_none)
        return self.ddim.split(x, self.ddim.level(t), e_none + by_text)

    def unguided(self, x: Tensor, t: int, condition: Tensor, text: Tensor, views: int) -> Tensor:
        """The network's answer for x (V, 4, h, w) at timestep t under the depth alone."""
        return self._answer(x, t, condition, text[1:2].repeat_interleave(views, 0))

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
    """Upstream's depth picture (H, W, 3) of depths (H, W, 1), decimetres.

    It is 1 / (depth + 1e-5) over its largest, and 0 where nothing is (alpha (H, W, 1) below 0.5).
    """
    near = torch.where(alpha > 0.5, 1 / (depth + 1e-5), 0.0)
    return (near / near.max().clamp_min(1e-12)).expand(-1, -1, 3)
