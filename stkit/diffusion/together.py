"""GaussCtrl's way to edit all views at once (lineage.md 5).

Each view is inverted, not noised, and attends to reference views.

Upstream runs Stable Diffusion with a depth ControlNet: `depth.DepthEditor`. With an InstructPix2Pix
pipeline its picture condition holds the shape instead.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from stkit.diffusion.ddim import DDIM

REFERENCES = 4  # views that all others attend to; GaussCtrl's
OWN_SHARE = 0.6  # of a view's own attention, the rest is the mean over the references; GaussCtrl's
SELF_ATTENTION = "attn1"  # in the names of diffusers' attention layers


class AttentionNetwork(Protocol):
    """A diffusers network whose attention can be exchanged, layer by layer."""

    @property
    def attn_processors(self) -> dict[str, Any]:
        """What computes each attention layer, by the layer's name."""
        ...

    def set_attn_processor(self, processor: dict[str, Any]) -> None:
        """Exchange them; one for each of `attn_processors`."""
        ...


class DenoisingEditor(Protocol):
    """What `edit_together` needs of a diffusion editor; see `latent_editor.LatentEditor`."""

    unet: AttentionNetwork
    controlnet: AttentionNetwork | None
    ddim: DDIM

    def encode(self, images: list[Tensor]) -> Tensor:
        """Latents (V, 4, h, w) of pictures (H, W, 3)."""
        ...

    def condition(self, images: list[Tensor]) -> Tensor:
        """What the network is conditioned on, from pictures (H, W, 3)."""
        ...

    def text_states(self, prompt: str) -> Tensor:
        """Text states (3, L, D): of the prompt, and twice of no text."""
        ...

    def timesteps(self, b: float) -> Tensor:
        """DDIM steps for strength b, highest first."""
        ...

    def unguided(self, x: Tensor, t: int, condition: Tensor, text: Tensor, views: int) -> Tensor:
        """The network's answer for x (V, 4, h, w) at level t without text."""
        ...

    def predict(
        self,
        x: Tensor,
        t: int,
        condition: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Clean latents and noise in x (V, 4, h, w) at level t, guided by text."""
        ...

    def decode(self, x: Tensor, before: Tensor, images: list[Tensor]) -> list[Tensor]:
        """Pictures (H, W, 3) of latents x; `before` are those of `images`."""
        ...


class AlignedAttention:
    """Self-attention out = 0.6 own + 0.4 mean over reference views.

    It takes the place of a diffusers attention processor.

    Views of one guidance branch lie next to each other in the batch. own: the view's own share; a
    ControlNet attends to the references alone (0).
    """

    def __init__(self, views: int, references: list[int], own: float = OWN_SHARE):
        self.views, self.references, self.own = views, references, own

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The layer's output (B V, L, C) for hidden states (B V, L, C).

        diffusers calls it, and names the arguments.
        """
        attend = torch.nn.functional.scaled_dot_product_attention
        projections = (attn.to_q, attn.to_k, attn.to_v)
        q, k, v = (_by_head(project(hidden_states), attn.heads) for project in projections)
        out = self.own * attend(q, k, v)
        for r in self.references:
            share = (1 - self.own) / len(self.references)
            out = out + share * attend(q, self._of_view(k, r), self._of_view(v, r))
        out = attn.to_out[0](out.transpose(1, 2).flatten(2))
        return attn.to_out[1](out)

    def _of_view(self, x: Tensor, view: int) -> Tensor:
        """Keys or values (B V, heads, L, C) of one view in the place of every view's."""
        one = x.unflatten(0, (-1, self.views))[:, view : view + 1]
        return one.expand(-1, self.views, -1, -1, -1).flatten(0, 1)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """(B, L, heads C) to (B, heads, L, C)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


@contextmanager
def aligned(
    network: AttentionNetwork, views: int, references: list[int], own: float = OWN_SHARE
) -> Iterator[None]:
    """Within this block the network's self-attention looks at the references too."""
    before = network.attn_processors
    inside = {
        name: AlignedAttention(views, references, own) if SELF_ATTENTION in name else processor
        for name, processor in before.items()
    }
    network.set_attn_processor(inside)
    try:
        yield
    finally:
        network.set_attn_processor(before)


def reference_views(views: int, generator: torch.Generator) -> list[int]:
    """One random view of each quarter of the set (fewer where there are fewer views)."""
    parts = torch.arange(views).tensor_split(min(REFERENCES, views))
    return [int(part[int(torch.randint(len(part), (1,), generator=generator))]) for part in parts]


@torch.no_grad()
def edit_together(
    editor: DenoisingEditor,
    images: list[Tensor],
    prompt: str,
    conditions: list[Tensor],
    generator: torch.Generator,
    text_guidance: float = 1.0,
    align: bool = True,
) -> list[Tensor]:
    """Edited pictures (H, W, 3) of `images`, all at full strength and in agreement.

    DDIM inversion without text (20 steps up), then 20 guided steps down. `align` switches the
    attention, for comparison. The UNet takes all views in one batch; upstream takes chunks of five,
    which a full-size model needs.
    """
    views = len(images)
    start = editor.encode(images)
    condition = editor.condition(conditions)
    text = editor.text_states(prompt)
    x = invert(editor, start, condition, text)
    references = reference_views(views, generator)
    steps = editor.timesteps(1.0)
    with ExitStack() as stack:
        if align:
            stack.enter_context(aligned(editor.unet, views, references))
        if align and editor.controlnet is not None:
            stack.enter_context(aligned(editor.controlnet, views, references, own=0.0))
        for t, level in zip(steps.tolist(), editor.ddim.levels_after(steps)):
            clean, noise = editor.predict(x, t, condition, text, views, text_guidance)
            x = editor.ddim.move(clean, noise, level)
    return editor.decode(x, start, images)


def invert(editor: DenoisingEditor, start: Tensor, condition: Tensor, text: Tensor) -> Tensor:
    """The noise (V, 4, h, w) that DDIM without text would turn into the latents `start`.

    The network is asked at the level that x is brought to, as in diffusers' inverse DDIM.
    """
    steps = editor.timesteps(1.0)
    x, level = start, editor.ddim.levels_after(steps)[-1]
    for t in steps.flip(0).tolist():
        answer = editor.unguided(x, t, condition, text, len(start))
        clean, noise = editor.ddim.split(x, level, answer)
        level = editor.ddim.level(t)
        x = editor.ddim.move(clean, noise, level)
    return x
