"""What an edit is asked for, and how it is optimised."""

from dataclasses import dataclass

from stkit.editing.region import Region
from stkit.editing.weights import ALPHA
from stkit.errors import RequestError
from stkit.face_models.makehuman.shape_words import read_shape


@dataclass(frozen=True)
class EditSettings:
    """The paper's alpha 5 and boundary 0.5; an edit every 10 steps, all of them again every 2,500
    (reading 21).

    shape: words that change the head's shape first, such as "elf ears" (see `shape_words`); the
    prompt may be empty then. method: an entry of `methods.METHODS`; region: where a masked method
    may act (see `region.region_mask`; "": the method's own). landmarks: '66' or 'dense'. mode:
    'pixel' multiplies the per-pixel loss by the splatted w; 'grad' leaves the loss and scales each
    Gaussian's gradients. sampler: see `strength.sample_strength`. frames: how many video frames
    join the views. Learning rates are Adam's: of features, positions (dm), scales with
    quaternions, opacities, and nets.
    """

    prompt: str
    shape: str = ""
    method: str = "ours"
    region: Region = ""
    steps: int = 600
    alpha: float = ALPHA
    b_boundary: float = 0.5
    landmarks: str = "66"
    mode: str = "pixel"
    sampler: str = "truncate"
    edit_every: int = 10
    refresh_every: int = 2500
    frames: int = 18
    lr_color: float = 5e-3
    lr_xyz: float = 5e-5
    lr_scales: float = 1e-3
    lr_opacity: float = 2e-3
    lr_nets: float = 4e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.alpha < float("inf")):
            raise RequestError(f"alpha {self.alpha!r}: a finite number of 0 or more, in 1/dm")
        if not (0 <= self.b_boundary <= 1):
            raise RequestError(f"b_boundary {self.b_boundary!r}: a number from 0 to 1")
        for name in ("steps", "edit_every", "refresh_every", "frames"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} {getattr(self, name)!r}: a whole number of 1 or more")
        if self.mode not in ("pixel", "grad"):
            raise RequestError(f"mode {self.mode!r} is not 'pixel' or 'grad'")
        if self.shape:
            read_shape(self.shape)

    @property
    def words(self) -> str:
        """What is asked for: the prompt, the shape, or both."""
        return "; ".join(text for text in (self.prompt.strip(), self.shape.strip()) if text)

    @property
    def only_shape(self) -> bool:
        """Whether nothing but the shape changes."""
        return bool(self.shape) and not self.prompt.strip()
