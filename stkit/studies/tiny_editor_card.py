"""The tiny editor's model card, from the scores of `tiny_editor` and its training's record."""

WEAKLY_LEARNED = 0.85  # share of right answers below which the card names an instruction


def card(scores: dict, training: dict) -> str:
    """The model card; every number is from scores.json and training.json beside it."""
    parameters = sum(training["millions"].values())
    return CARD.format(
        **scores,
        parameters=f"{parameters:.1f}",
        training=_training_rows(scores["instructions"], training),
        measured=_measured_rows(scores),
        weak=", ".join(_weakly_learned(scores["by_instruction"])) or "none",
    )


def _weakly_learned(by_instruction: dict[str, float]) -> list[str]:
    weakest_first = sorted(by_instruction.items(), key=lambda item: item[1])
    return [f"{name} ({share:.0%})" for name, share in weakest_first if share < WEAKLY_LEARNED]


def _training_rows(instructions: int, training: dict) -> str:
    autoencoder, editor = training["autoencoder"], training["editor"]
    people = training["people"]
    command = f"python -m stkit.diffusion.tiny.train --people {people} --batch {training['batch']}"
    if "before" in training:
        command += f" --first {training['first']} --rate {training['rate']} --start FORMER"
    rows = {
        "Data": f"{people} made-up people from seeds, {training['pictures']} pictures of each, "
        f"{training['edits']} of {instructions} instructions for each picture (one of them: "
        "nothing); random expression, pose, crop, background, colour cast, blur, noise. No real "
        "face",
        "Teacher": "`stkit.diffusion.paint`, at twice the size; every instruction in many wordings",
        "Command": f"`{command}`",
        "Autoencoder": f"{autoencoder['steps']} steps, {_minutes(autoencoder)}, "
        f"loss {autoencoder['loss']}",
        "UNet and text encoder": f"{_before(training)}{editor['steps']} of "
        f"{training['planned_steps']} planned steps, {_minutes(editor)}, velocity loss "
        f"{editor['loss']}; weights are a moving average",
        "Licence": "MIT, like the code. No weights or pictures of others are in it",
    }
    return _rows(rows)


def _before(training: dict) -> str:
    """What the networks had learned before this training, where they went on from others."""
    if "before" not in training:
        return ""
    before = training["before"]
    return f"{before['steps']} steps on {before['people']} other people, {_minutes(before)}; then "


def _measured_rows(scores: dict) -> str:
    on_teacher = f"{scores['judge_on_teacher']:.1%}"
    rows = {
        "a judge names the right instruction": f"{scores['named_right']:.1%} (the same judge on "
        f"the teacher's pictures, through the autoencoder: {on_teacher})",
        "mean change where the teacher changes nothing": f"{scores['outside_change']:.4f}",
        "b = 0.02 against the autoencoder's picture": f"{scores['psnr_b_0.02']:.1f} dB",
        "change by text guidance": _series(scores["change_by_s_T"]),
    }
    for prompt, distances in scores["distance_by_s_I"].items():
        title = f'distance to the picture after "{prompt}", by picture guidance'
        rows[title] = _series(distances)
    rows["one edit, 20 steps, one core"] = f"{scores['seconds_per_edit']:.2f} s"
    return _rows(rows)


def _rows(rows: dict[str, str]) -> str:
    return "\n".join(f"| {title} | {value} |" for title, value in rows.items())


def _minutes(part: dict) -> str:
    return f"{part['seconds'] / 60:.0f} min on one busy CPU core"


def _series(values: dict[str, float]) -> str:
    return ", ".join(f"{key}: {value:.3f}" for key, value in values.items())


CARD = """# Tiny InstructPix2Pix

A stand-in for InstructPix2Pix that comes with stkit: a real
`StableDiffusionInstructPix2PixPipeline` folder, {size} pixels, {parameters} million parameters,
half precision. It learned what the kit's rule-based paint editor does, on made-up heads.
**It is not the paper's editor.**

    from stkit.diffusion.editors import get_editor
    tiny = get_editor("tiny")
    tiny.edit(image, "turn him into a clown", b=0.8, condition=image, generator=generator)

| | |
|---|---|
{training}

## Measured

`python -m stkit.studies.tiny_editor --people {people} --s-T {s_T:g} --s-I {s_I:g} --write`:
{people} people from unseen seeds, all instructions, in sentences that training never had,
b = 0.98.

| | |
|---|---|
{measured}

The judge is not trained: it paints every instruction on the same person and names the picture with
the nearest block colours.

## Known failures

- Instructions the judge finds in less than 85 %: {weak}.
- Small marks are coarser than the teacher's: lipstick is a blot, a warrior's stripes and a cat's
  whiskers are broad, a moustache may be faint. The face's own detail comes back softer.
- Grey and blond hair spill over the edge of the hair.
- It changes a face visibly from b = 0.1 on; the paint editor does from about 0.4 on.
- The picture itself comes back softer at 128 pixels. `stkit run` adds the change to the render, so
  there the render's detail stays.
- Coloured clothes and backgrounds sometimes take on a hair colour.
- Sentences it was not taught go to something it was taught, without warning.
- Real faces are outside its data. `python -m stkit.studies.tiny_editor_clips CLIP.mp4` measures how
  often it changes the right region in the right direction on yours; what we found is in
  docs/results/tiny-models.md.
"""
