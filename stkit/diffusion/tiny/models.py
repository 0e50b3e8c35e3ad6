"""The parts of the tiny editor, as `StableDiffusionInstructPix2PixPipeline` has them."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from stkit.diffusion.tiny import SIZE

LATENT = SIZE // 8  # side of a latent
CHANNELS = 12  # of a latent; Stable Diffusion has 4, but a decoder twenty times as large


def new_autoencoder() -> AutoencoderKL:
    """128 x 128 pictures to 16 x 16 latents of 12 channels and back, 1.7 M parameters."""
    return AutoencoderKL(
        sample_size=SIZE,
        latent_channels=CHANNELS,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    )


def new_unet(text: int = 128) -> UNet2DConditionModel:
    """Its input: the noisy latent, and the latent of the picture to edit beside it.

    About 6 M parameters.
    """
    return UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=2 * CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(64, 96, 160),
        layers_per_block=1,
        cross_attention_dim=text,
        attention_head_dim=8,
        norm_num_groups=16,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    )


def new_text_encoder(
    vocabulary: int, length: int, start: int, end: int, width: int = 128
) -> CLIPTextModel:
    """A small CLIP text transformer.

    It learns together with the UNet; the real one is CLIP's, frozen.
    """
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=length,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )
    return CLIPTextModel(config)


def new_schedule() -> DDIMScheduler:
    """Stable Diffusion's noise schedule, for answers that are velocities, as in version 2."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def save_pipeline(folder: Path, vae, unet, text_encoder, tokenizer) -> None:
    """Write the pipeline folder in half precision, as `from_pretrained` reads it."""
    pipe = StableDiffusionInstructPix2PixPipeline(
        vae=vae,
        unet=unet,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=new_schedule(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    pipe.to(torch.float32)
