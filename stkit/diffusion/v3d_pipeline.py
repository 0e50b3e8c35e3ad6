"""V3D's pipeline in diffusers: SVD with noise on the latent, not on the pixels (lineage.md 3)."""

from typing import Any

import torch
from diffusers import StableVideoDiffusionPipeline
from torch import Tensor


class V3DPipeline(StableVideoDiffusionPipeline):
    """SVD with `latent_noise` added to the picture's latent, and the network told how much."""

    latent_noise: float = 0.02
    noise_source: torch.Generator | None = None

    def _encode_vae_image(
        self,
        image: Tensor,
        device: Any,
        num_videos_per_prompt: int,
        do_classifier_free_guidance: bool,
    ) -> Tensor:
        latents = super()._encode_vae_image(
            image, device, num_videos_per_prompt, do_classifier_free_guidance
        )
        conditional = latents[-1:]  # the last; before it stands the unconditional one, all zeros
        noise = torch.randn(conditional.shape, generator=self.noise_source).to(latents)
        return torch.cat([latents[:-1], conditional + self.latent_noise * noise])

    def _get_add_time_ids(
        self, fps: int, motion_bucket_id: int, noise_aug_strength: float, *rest: Any
    ) -> Tensor:
        return super()._get_add_time_ids(fps, motion_bucket_id, self.latent_noise, *rest)
