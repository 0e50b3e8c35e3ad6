"""Memory of InstructPix2Pix at its true size: `python benchmarks/memory.py [--pixels 512]`.

Needs 8 GB and some minutes on a CPU. Builds the published architecture (Stable Diffusion 1.5, 8
input channels) with random weights, counts parameters and measures the peak of one guided step: the
UNet on three latents at once in float32. Nothing is downloaded. Half precision takes half of each.
"""

import argparse
import resource
import time

import torch

UNET = {
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
TEXT = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 49408,
}


def peak() -> float:
    """Gigabytes that this process had at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def millions(module: torch.nn.Module) -> float:
    """Parameters, in millions."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def main() -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, default=512)
    pixels = parser.parse_args().pixels
    with torch.device("meta"):
        others = {
            "VAE": AutoencoderKL(**VAE),
            "text encoder": CLIPTextModel(CLIPTextConfig(**TEXT)),
        }
    start = peak()
    unet = UNet2DConditionModel(sample_size=pixels // 8, **UNET).eval()
    weights = peak()
    begun = time.monotonic()
    with torch.no_grad():
        unet(
            torch.randn(3, 8, pixels // 8, pixels // 8),
            500,
            encoder_hidden_states=torch.randn(3, 77, 768),
        )
    seconds = time.monotonic() - begun
    print(f"unet_million_parameters {millions(unet):.1f}")
    for name, module in others.items():
        print(f"{name.replace(' ', '_').lower()}_million_parameters {millions(module):.1f}")
    print(f"unet_weights_gb_float32 {4 * millions(unet) / 1e3:.2f}")
    print(f"peak_gb_with_weights {weights - start:.2f}")
    print(f"peak_gb_of_one_guided_step {peak() - start:.2f}")
    print(f"seconds_of_one_guided_step {seconds:.1f}")


if __name__ == "__main__":
    main()
