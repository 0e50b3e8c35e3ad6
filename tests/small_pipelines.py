"""Randomly initialised diffusion pipelines of the real classes, small, saved to disk."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LETTERS = "abcdefghijklmnopqrstuvwxyz"
NO_EXTRAS = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def save_tokenizer(folder: Path):
    """A CLIP tokenizer that knows letters only; returns it and its number of tokens."""
    from transformers import CLIPTokenizer

    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(c + "</w>" for c in LETTERS)]
    numbered = ",".join(f'"{token}":{i}' for i, token in enumerate(tokens))
    (folder / "vocab.json").write_text("{" + numbered + "}")
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16
    )
    return tokenizer, len(tokens)


def new_text_encoder(tokens: int):
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config)


def new_scheduler():
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
    )


def new_unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )


def new_autoencoder():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
    )


def save_instruct_pix2pix(folder: Path) -> Path:
    """An InstructPix2Pix pipeline in folder/tiny; returns that."""
    from diffusers import StableDiffusionInstructPix2PixPipeline

    tokenizer, tokens = save_tokenizer(folder)
    torch.manual_seed(0)
    pipe = StableDiffusionInstructPix2PixPipeline(
        text_encoder=new_text_encoder(tokens),
        vae=new_autoencoder(),
        unet=new_unet(),
        tokenizer=tokenizer,
        scheduler=new_scheduler(),
        image_encoder=None,
        **NO_EXTRAS,
    )
    pipe.save_pretrained(folder / "tiny", safe_serialization=True)
    return folder / "tiny"


def save_full_layout(folder: Path, text_width: int) -> None:
    """UNet and VAE with the layout of Stable Diffusion 1.5, widths a tenth, into a folder.

    Four levels, cross-attention in three, two layers a block, and a VAE that halves thrice.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=4,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=2,
        norm_num_groups=8,
        cross_attention_dim=text_width,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")


def save_depth_pipelines(folder: Path, pipe) -> Path:
    """Stable Diffusion with a depth ControlNet, its other parts those of `pipe`.

    One folder with everything ("both"), and one of each part ("sd", "control").
    """
    from diffusers import (
        ControlNetModel,
        StableDiffusionControlNetPipeline,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(1)
    unet = UNet2DConditionModel(**{**pipe.unet.config, "in_channels": 4})
    control = ControlNetModel.from_unet(
        unet, conditioning_channels=3, conditioning_embedding_out_channels=(4, 4, 4, 4)
    )
    zeros = (control.controlnet_down_blocks, control.controlnet_cond_embedding.conv_out)
    for layer in zeros:  # where the published class starts: the depth would do nothing
        for p in layer.parameters():
            torch.nn.init.normal_(p, std=0.5)
    parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "scheduler")}
    StableDiffusionControlNetPipeline(
        unet=unet, controlnet=control, **parts, **NO_EXTRAS
    ).save_pretrained(folder / "both")
    StableDiffusionPipeline(unet=unet, **parts, **NO_EXTRAS).save_pretrained(folder / "sd")
    control.save_pretrained(folder / "control")
    return folder


def new_video_unet():
    from diffusers import UNetSpatioTemporalConditionModel

    return UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=16,
        in_channels=8,
        out_channels=4,
        num_frames=18,
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        cross_attention_dim=16,
        num_attention_heads=2,
        transformer_layers_per_block=1,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    )


def new_video_autoencoder():
    from diffusers import AutoencoderKLTemporalDecoder

    return AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32),
        layers_per_block=1,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        sample_size=32,
    )


def new_image_encoder():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=224,
        patch_size=32,
        projection_dim=16,
    )
    return CLIPVisionModelWithProjection(config)


def save_video_diffusion(folder: Path) -> Path:
    """A Stable Video Diffusion pipeline in a folder; returns that."""
    from diffusers import EulerDiscreteScheduler, StableVideoDiffusionPipeline
    from transformers import CLIPImageProcessor

    torch.manual_seed(0)
    scheduler = EulerDiscreteScheduler(
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
    pipe = StableVideoDiffusionPipeline(
        unet=new_video_unet(),
        vae=new_video_autoencoder(),
        image_encoder=new_image_encoder(),
        scheduler=scheduler,
        feature_extractor=CLIPImageProcessor(
            size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
        ),
    )
    pipe.save_pretrained(folder)
    return folder


def poison(file: Path) -> None:
    """Put a NaN into every tensor of a safetensors file."""
    tensors = load_file(file)
    for tensor in tensors.values():
        tensor.view(-1)[0] = torch.nan
    save_file(tensors, file, {"format": "pt"})


def write_tiny_clip(folder) -> None:
    """A CLIP with a few thousand random weights, and a tokenizer that knows seven words."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", "a</w>", "f", "a", "c", "e</w>"]
    tokenizer = CLIPTokenizer(vocab={word: k for k, word in enumerate(words)}, merges=[])
    tokenizer.save_pretrained(folder)
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    layers |= {"num_hidden_layers": 1, "projection_dim": 8}
    text = layers | {"vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 1}
    vision = layers | {"image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
