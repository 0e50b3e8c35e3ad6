"""The two towers as a model, and an edit's scores by them."""

from functools import lru_cache
from pathlib import Path

from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTokenizer,
    ConvNextConfig,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)

from stkit.metrics.learned import TextScores, dual_encoder_scores
from stkit.metrics.text_towers import SIZE, WEIGHTS
from stkit.progress import hide_loading_bars

LENGTH = 32  # tokens of a caption
EMBEDDING = 64
WIDTHS, DEPTHS = (48, 96, 192), (1, 2, 2)  # of the picture tower's stages
TEXT_WIDTH = 128


def new_towers(tokenizer: CLIPTokenizer) -> VisionTextDualEncoderModel:
    """A small ConvNeXt and a small CLIP text transformer, untrained; 1.3 M parameters."""
    picture = ConvNextConfig(
        patch_size=4,
        num_stages=len(WIDTHS),
        hidden_sizes=list(WIDTHS),
        depths=list(DEPTHS),
        image_size=SIZE,
        hidden_size=WIDTHS[-1],
    )
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        picture, text, projection_dim=EMBEDDING
    )
    return VisionTextDualEncoderModel(config)


def text_tower_scores(image: Tensor, edited: Tensor, before: str, after: str) -> TextScores:
    """What CLIP-S and CLIP-DS are, with the kit's towers in CLIP's place: of made-up people.

    image, edited (H, W, 3) in [0, 1], of one size; `before` and `after` are their captions.
    """
    return dual_encoder_scores(*towers(WEIGHTS), (image, edited), (before, after), SIZE)


@lru_cache(maxsize=2)
def towers(folder: Path) -> tuple[VisionTextDualEncoderModel, CLIPTokenizer]:
    """The trained towers of a folder, and their tokenizer."""
    hide_loading_bars()
    model = VisionTextDualEncoderModel.from_pretrained(folder, use_safetensors=True)
    return model.float().eval(), CLIPTokenizer.from_pretrained(folder)
