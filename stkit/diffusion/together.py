"""GaussCtrl's way to edit all views at once (lineage.md 5): each view is inverted, not noised, and attends to reference views.

Upstream runs Stable Diffusion with a depth ControlNet: `depth.DepthEditor`. With an InstructPix2Pix pipeline its picture condition
holds the shape instead.
"""

from contextlib import ExitStack, contextmanager
from typing import Protocol

import torch
from torch import Tensor

REFERENCES = 4
OWN_SHARE = 0.6  # of a view's own attention; the rest is the mean over the references


class DenoisingEditor(Protocol):
    """What `edit_together` needs of a diffusion editor; latents x (V, 4, h, w), text states (3, L, D)."""

    pipe: object
    schedule: object

    def encode(self, images: list[Tensor]) -> Tensor: ...

    def condition(self, images: list[Tensor]) -> Tensor: ...

    def text_states(self, prompt: str) -> Tensor: ...

    def timesteps(self, b: float) -> Tensor: ...

    def levels(self, steps: Tensor) -> list[Tensor]: ...

    def unguided(self, x: Tensor, t: int, original: Tensor, text: Tensor, views: int) -> Tensor: ...

    def predict(
        self,
        x: Tensor,
        t: int,
        original: Tensor,
        text: Tensor,
        views: int,
        text_guidance: float = 1.0,
    ) -> tuple[Tensor, Tensor]: ...

    def split(self, x: Tensor, level: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]: ...

    def move(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor: ...

    def decode(self, x: Tensor, before: Tensor, images: list[Tensor]) -> list[Tensor]: ...


class AlignedAttention:
    """Self-attention out = 0.6 own + 0.4 mean over reference views; views of one guidance branch lie next to each other.

    own: the view's own share; a ControlNet attends to the references alone (0).
    """

    def __init__(self, views: int, references: list[int], own: float = OWN_SHARE):
        self.views, self.references, self.own = views, references, own

    def __call__(
        self,
        attn,
        hidden_states,
        encoder_hidden_states=None,
        attention_mask=None,
        temb=None,
        **kwargs,
    ):
        heads = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        attend = torch.nn.functional.scaled_dot_product_attention
        q, k, v = (heads(f(hidden_states)) for f in (attn.to_q, attn.to_k, attn.to_v))
        out = self.own * attend(q, k, v)
        pick = lambda x, r: (
            x.unflatten(0, (-1, self.views))[:, r : r + 1]
            .expand(-1, self.views, -1, -1, -1)
            .flatten(0, 1)
        )
        for r in self.references:
            out = out + (1 - self.own) / len(self.references) * attend(q, pick(k, r), pick(v, r))
        out = attn.to_out[0](out.transpose(1, 2).flatten(2))
        return attn.to_out[1](out)


@contextmanager
def aligned(unet, views: int, references: list[int], own: float = OWN_SHARE):
    """Within this block the network's self-attention looks at the references too."""
    before = unet.attn_processors
    unet.set_attn_processor(
        {
            name: AlignedAttention(views, references, own) if "attn1" in name else p
            for name, p in before.items()
        }
    )
    try:
        yield
    finally:
        unet.set_attn_processor(before)


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
    """Edited pictures (H, W, 3) of `images`, all at full strength and in agreement. `align` switches the attention, for comparison.

    DDIM inversion without text (20 steps up), then 20 guided steps down. All views are one batch; upstream takes chunks of five, which a
    full-size model needs.
    """
    views = len(images)
    start, original, text = (
        editor.encode(images),
        editor.condition(conditions),
        editor.text_states(prompt),
    )
    steps = editor.timesteps(1.0)
    x, here = start, editor.levels(steps)[-1]
    for t in steps.flip(
        0
    ).tolist():  # the network is asked at the level it is brought to, as in diffusers' inverse DDIM
        answer = editor.unguided(x, t, original, text, views)
        level = editor.schedule.alphas_cumprod[t]
        x = editor.move(*editor.split(x, here, answer), level)
        here = level
    references = reference_views(views, generator)
    control = getattr(editor.pipe, "controlnet", None)
    with ExitStack() as stack:
        if align:
            stack.enter_context(aligned(editor.pipe.unet, views, references))
            if control is not None:
                stack.enter_context(aligned(control, views, references, own=0.0))
        for t, after in zip(steps.tolist(), editor.levels(steps)):
            x = editor.move(*editor.predict(x, t, original, text, views, text_guidance), after)
    return editor.decode(x, start, images)
