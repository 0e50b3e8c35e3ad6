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
    "jaw": ExpressionSlider({"jawOpen": 0.8}, 0.0, 1.2),
    "smile": ExpressionSlider({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, 0.0, 1.2),
    "pucker": ExpressionSlider({"mouthPucker": 0.8}, -0.3, 1.2),
    "wide": ExpressionSlider({"mouthStretchLeft": 0.8, "mouthStretchRight": 0.8}, -0.3, 1.2),
    "frown": ExpressionSlider({"mouthFrownLeft": 0.8, "mouthFrownRight": 0.8}, 0.0, 1.2),
    "brows": ExpressionSlider(
        {
            "browOuterUpLeft": 0.8,
            "browOuterUpRight": 0.8,
            "browInnerUp": 0.8,
        },
        -0.3,
        1.2,
    ),
    "blink": ExpressionSlider({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, 0.0, 1.2),
}


def slider_step(slider: str, face: FaceModel) -> Tensor:
    """What one unit of a slider adds to the expression (64,) of a face model. ValueError for
    unknown names.
    """
    if slider not in SLIDERS:
        raise RequestError(f"slider {slider!r} is not one of {', '.join(SLIDERS)}")
    return named_expression(SLIDERS[slider].actions, face)
