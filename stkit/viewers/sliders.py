"""The expression sliders of a viewer: what each adds to the expression vector."""

from dataclasses import dataclass

from torch import Tensor

from stkit.errors import RequestError
from stkit.face_models import FaceModel
from stkit.face_models.transfer import named_expression


@dataclass(frozen=True)
class ExpressionSlider:
    """`actions`: named expressions and their values at position 1; `low` and `high`: the ends of
    the slider.
    """

    actions: dict[str, float]
    low: float
    high: float


# the kit's, chosen by eye: position 1 is a clear expression, the upper end a little more
SLIDERS = {
    "jaw": ExpressionSlider({"jaw_open": 2.0}, 0.0, 1.2),
    "smile": ExpressionSlider({"smile_left": 1.5, "smile_right": 1.5}, 0.0, 1.2),
    "pucker": ExpressionSlider({"pucker": 1.5}, -0.3, 1.2),
    "wide": ExpressionSlider({"mouth_wide": 1.5}, -0.3, 1.2),
    "frown": ExpressionSlider({"frown_left": 1.5, "frown_right": 1.5}, 0.0, 1.2),
    "brows": ExpressionSlider(
        {
            "brow_outer_up_left": 1.5,
            "brow_outer_up_right": 1.5,
            "brow_inner_up_left": 1.2,
            "brow_inner_up_right": 1.2,
        },
        -0.3,
        1.2,
    ),
    "blink": ExpressionSlider({"blink_left": 2.5, "blink_right": 2.5}, 0.0, 1.2),
}


def slider_step(slider: str, face: FaceModel) -> Tensor:
    """What one unit of a slider adds to the expression (64,) of a face model. ValueError for
    unknown names.
    """
    if slider not in SLIDERS:
        raise RequestError(f"slider {slider!r} is not one of {', '.join(SLIDERS)}")
    return named_expression(SLIDERS[slider].actions, face)
