"""Style-E's model card, from the record of `style_e`: `python -m stkit.studies.style_e_card`."""

from pathlib import Path

from stkit.assets import repository
from stkit.io.tensors import read_json, write_text
from stkit.studies.style_e import spread_of, table
from stkit.voice.speaking import WEIGHTS

RECORD = "docs/results/style-e.json"


def card(file: Path) -> str:
    """The model card; every number is from the record."""
    record = read_json(file)
    first = record["style-e"][0]
    training, emotions = first["training"], [s["emotions"] for s in record["style-e"]]
    name = next(
        key for key in training if isinstance(training[key], dict) and "steps" in training[key]
    )
    weakest = min(emotions[0]["recovered_by_emotion"].items(), key=lambda item: item[1])
    template = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    return template.format(
        table=table(file),
        seeds=len(emotions),
        millions=sum(training["millions"].values()),
        hours=training["hours_of_speech"],
        steps=training[name]["steps"],
        minutes=training[name]["seconds"] / 60,
        batch=training["batch"],
        recovered=spread_of([e["recovered"] for e in emotions]),
        lost=spread_of([e["most_lost"] for e in emotions]),
        weakest=f"{weakest[0]} ({weakest[1]:.2f})",
        seconds=first["seconds_for_10"],
        film=_film(first),
        machine=record["machine"],
        code=record["code"],
    )


def _film(numbers: dict) -> str:
    if "film" not in numbers:
        return ""
    film = numbers["film"]
    best = max(range(len(film["lags"])), key=lambda k: film["opening"][k])
    closed = min(range(len(film["lags"])), key=lambda k: film["closed"][k])
    zero = film["lags"].index(0)
    return FILM.format(
        at_zero=film["opening"][zero],
        best=film["opening"][best],
        lag=-film["lags"][best],
        closed=film["closed"][closed],
        closed_lag=-film["lags"][closed],
        closed_zero=film["closed"][zero],
    )


FILM = """
**Against filmed lips.** On `clip_e` (eight seconds, English) the opening of the filmed lips
correlates with the model's by {at_zero:.2f} as the file is, and by {best:.2f} with the picture
{lag} frames later. The file itself is out of step: at the aligned phones p, b and m the filmed lips
are {closed_zero:.2f} of their mean opening apart, and {closed:.2f} with the picture {closed_lag}
frames later.
"""


def main() -> None:
    """Write the card beside the weights."""
    write_text(WEIGHTS / "README.md", card(repository() / RECORD))


if __name__ == "__main__":
    main()
