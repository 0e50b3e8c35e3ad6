"""The parts of the tiny orbit model, as `StableVideoDiffusionPipeline` has them."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from stkit.diffusion.orbit import SIZE
from stkit.diffusion.v3d_cameras import FRAMES

LATENT = SIZE // 4  # side of a latent
CHANNELS = 8  # of a latent; V3D has 4
WIDTH = 64  # of the picture's embedding
BLUR = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})


def new_autoencoder() -> AutoencoderKLTemporalDecoder:
    """64 x 64 pictures to 16 x 16 latents of 8 channels (V3D: 4).

    The decoder looks along the orbit too.

    Brightness is learned first and colour slowly: after 2,700 steps everybody is still sepia. The
    latents begin almost without noise.
    """
    vae = AutoencoderKLTemporalDecoder(
        sample_size=SIZE,
        latent_channels=CHANNELS,
        block_out_channels=(96, 64, 96),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
    )
    with torch.no_grad():
        vae.quant_conv.bias[CHANNELS:] -= 6
    return vae


def new_unet() -> UNetSpatioTemporalConditionModel:
    """Its input: the noisy latents of 18 views, and the latent of the one picture beside each."""
    return UNetSpatioTemporalConditionModel(
        sample_size=LATENT,
        in_channels=2 * CHANNELS,
        out_channels=CHANNELS,
        num_frames=FRAMES,
        block_out_channels=(96, 64, 64),
        layers_per_block=1,
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=48,
        cross_attention_dim=WIDTH,
        num_attention_heads=(6, 4, 4),
        transformer_layers_per_block=1,
        down_block_types=(
            "DownBlockSpatioTemporal",
            "CrossAttnDownBlockSpatioTemporal",
            "CrossAttnDownBlockSpatioTemporal",
        ),
        up_block_types=(
            "CrossAttnUpBlockSpatioTemporal",
            "CrossAttnUpBlockSpatioTemporal",
            "UpBlockSpatioTemporal",
        ),
    )


def new_image_encoder() -> CLIPVisionModelWithProjection:
    """A small CLIP vision transformer.

    It learns together with the UNet; the real one is OpenCLIP's, frozen.
    """
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=96,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=224,
            patch_size=32,
            projection_dim=WIDTH,
        )
    )


def new_schedule() -> EulerDiscreteScheduler:
    """SVD's: velocity, Karras' noise levels from 700 to 0.002."""
    return EulerDiscreteScheduler(
        prediction_type="v_prediction",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
        timestep_spacing="leading",
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
    )


def save_pipeline(folder: Path, vae, unet, image_encoder) -> None:
    """Write the pipeline folder in half precision, as `from_pretrained` reads it."""
    pipe = StableVideoDiffusionPipeline(
        vae=vae,
        unet=unet,
        image_encoder=image_encoder,
        scheduler=new_schedule(),
        feature_extractor=BLUR,
    )
    pipe.to(torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    pipe.to(torch.float32)
