"""`stkit evaluate`: a film against its truth."""

import json
from pathlib import Path

from stkit.errors import MissingFileError
from stkit.io.tensors import write_json
from stkit.studies.film_scores import film_scores


def add_evaluate(commands) -> None:
    """`stkit evaluate`."""
    what = "a film against its truth: SSIM, PSNR, CPBD, CSIM, landmark distances, lips in time"
    evaluate = commands.add_parser("evaluate", help=what)
    evaluate.set_defaults(call=call_evaluate)
    evaluate.add_argument("film", type=Path, help="a video, such as stkit talk or a network made")
    evaluate.add_argument("truth", type=Path, help="the video that it should be, as long")
    evaluate.add_argument("--write", type=Path, help="a JSON file for the numbers")


def call_evaluate(arguments) -> int:
    """Print the measures."""
    for path in (arguments.film, arguments.truth):
        if not path.exists():
            raise MissingFileError(f"{path}: no such file")
    scores = film_scores(arguments.film, arguments.truth)
    print("\n".join(f"{name:18} {value:.4g}" for name, value in scores.items()))
    if arguments.write:
        about = {"film": str(arguments.film), "truth": str(arguments.truth)}
        write_json(arguments.write, json.loads(json.dumps(about | scores)))
    return 0
