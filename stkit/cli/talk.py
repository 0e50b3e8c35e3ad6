"""`stkit talk`: a head speaks a sound, as a sentence about its emotion says."""

import math
import time
from pathlib import Path

from stkit.cli.options import NO_LABEL_HELP, add_art_options, asked_drawing
from stkit.errors import RequestError
from stkit.runs.dialogue import converse, film, read_script
from stkit.runs.plan import LARGEST_SEED
from stkit.runs.talk import Talk, talk
from stkit.voice.pipeline import TEXT_GUIDANCE
from stkit.voice.speaking import WEIGHTS

SMALLEST, LARGEST = 64, 2048  # pixels of a film
TALK_OPTIONS = {
    "--wav_path": "what is said: a wav, mp3, or a video with sound",
    "--text": "what is said, in words, by an installed synthesiser (flite, espeakng-loader)",
    "--style_e_source": "the emotion, in words, such as 'she is furious' (default: none)",
    "--pose_path": "tracked parameters whose head turns are taken (default: turns are made too)",
    "--source_3DMM": "tracked parameters whose first frame is the face at rest (default: its own)",
    "--style_e": "the folder of another Style-E pipeline (default: the one that ships, a stand-in)",
}


def add_talk(commands) -> None:
    """`stkit talk`, with the names of Style2Talker's own command."""
    what = "a head speaks a sound, with an emotion in words: a film with its sound"
    talking = commands.add_parser("talk", help=what)
    talking.set_defaults(call=call_talk)
    heads = "a run's name, 'mara' (who ships), a video, or 'synthetic:SEED'"
    talking.add_argument("--img_path", "--image_path", help=heads)
    script = "or a script of lines 'HEAD (MOOD): WORDS', spoken by several heads in turn"
    talking.add_argument("--dialogue", type=Path, help=script)
    for option, text in TALK_OPTIONS.items():
        talking.add_argument(option, help=text)
    pushes = "how hard the emotion's words push; 0: not at all (%(default)s)"
    talking.add_argument("--strength", type=float, default=TEXT_GUIDANCE, help=pushes)
    add_art_options(talking)
    size = "width and height of the film in pixels (default: those that the head was tracked at)"
    talking.add_argument("--size", type=int, default=0, help=size)
    talking.add_argument("--edited", action="store_true", help="show the run's last edit")
    talking.add_argument("--no-label", action="store_true", help=NO_LABEL_HELP)
    talking.add_argument("--seed", type=int, default=0, help="of habits, blinks and nods")
    talking.add_argument(
        "--save_path", type=Path, default=Path("talk.mp4"), help="the film (%(default)s)"
    )


def call_talk(arguments) -> int:
    """Write the film and its motion."""
    if arguments.save_path.suffix != ".mp4":
        raise RequestError(f"--save_path {arguments.save_path}: films end in .mp4")
    pipeline = Path(arguments.style_e) if arguments.style_e else WEIGHTS
    for option in ("size", "no_label", "art_style_id"):
        if arguments.dialogue and getattr(arguments, option):
            name = option.replace("no_label", "no-label")
            raise RequestError(f"--{name}: a dialogue is filmed without it; leave it out")
    if not math.isfinite(arguments.strength):
        raise RequestError(f"--strength {arguments.strength}: a finite number")
    if not 0 <= arguments.seed <= LARGEST_SEED:
        raise RequestError(f"--seed {arguments.seed}: a whole number from 0 to 2^63 - 1")
    if arguments.save_path.parent.exists() and not arguments.save_path.parent.is_dir():
        raise RequestError(f"--save_path {arguments.save_path}: its parent is no folder")
    if arguments.dialogue:
        turns = read_script(arguments.dialogue)
        print(film(converse(turns, arguments.seed, pipeline), arguments.save_path))
        return 0
    if not arguments.img_path:
        raise RequestError("give --img_path, whose head speaks, or --dialogue, a script")
    if bool(arguments.wav_path) == bool(arguments.text):
        raise RequestError("give --wav_path or --text: one says what is spoken")
    if arguments.size and not SMALLEST <= arguments.size <= LARGEST:
        raise RequestError(f"--size {arguments.size}: from {SMALLEST} to {LARGEST} pixels")
    start = time.monotonic()
    request = Talk(
        arguments.img_path,
        Path(arguments.wav_path) if arguments.wav_path else None,
        arguments.text or "",
        arguments.style_e_source or "",
        Path(arguments.pose_path) if arguments.pose_path else None,
        arguments.strength,
        arguments.edited,
        arguments.seed,
        pipeline,
        rest=Path(arguments.source_3DMM) if arguments.source_3DMM else None,
        art=asked_drawing(arguments),
        size=arguments.size,
        labels=not arguments.no_label,
    )
    for path in talk(request, arguments.save_path):
        print(path)
    print(f"done in {time.monotonic() - start:.0f} s")
    return 0
