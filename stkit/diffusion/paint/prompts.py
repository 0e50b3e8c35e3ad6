"""Which recipe a sentence means."""

from stkit.diffusion.paint import face_paint, recipes
from stkit.diffusion.paint.recipes import Recipe
from stkit.diffusion.protocols import PromptError

# (words that name it, the instruction's name, recipe); the first entry whose words all appear wins
RECIPES: list[tuple[tuple[str, ...], str, Recipe]] = [
    (("clown",), "clown", face_paint.clown),
    (("joker",), "joker", face_paint.joker),
    (("bronze",), "bronze statue", recipes.statue(recipes.BRONZE, 0.7)),
    (("gold",), "golden statue", recipes.statue(recipes.GOLD, 0.8)),
    (("marble",), "marble statue", recipes.statue(recipes.MARBLE, 0.35)),
    (("silver",), "silver statue", recipes.statue(recipes.SILVER, 0.9)),
    (("robot",), "silver statue", recipes.statue(recipes.SILVER, 0.9)),
    (("statue",), "bronze statue", recipes.statue(recipes.BRONZE, 0.7)),
    (("sculpture",), "marble statue", recipes.statue(recipes.MARBLE, 0.35)),
    (("red", "hair"), "red hair", recipes.hair_dye((0.72, 0.20, 0.08))),
    (("blond", "hair"), "blond hair", recipes.hair_dye((0.88, 0.72, 0.40))),
    (("blue", "hair"), "blue hair", recipes.hair_dye((0.15, 0.35, 0.85))),
    (("green", "hair"), "green hair", recipes.hair_dye((0.20, 0.62, 0.28))),
    (("pink", "hair"), "pink hair", recipes.hair_dye((0.92, 0.45, 0.66))),
    (("black", "hair"), "black hair", recipes.hair_dye((0.07, 0.07, 0.08))),
    (("purple", "hair"), "purple hair", recipes.hair_dye((0.45, 0.22, 0.62))),
    (("grey", "hair"), "grey hair", recipes.hair_dye((0.72, 0.72, 0.74))),
    (("moustache",), "moustache", face_paint.moustache),
    (("freckles",), "freckles", face_paint.freckles),
    (("glasses",), "glasses", face_paint.glasses),
    (("mime",), "mime", face_paint.mime),
    (("cat",), "cat", face_paint.cat),
    (("mask",), "masked hero", face_paint.masked_hero),
    (("hero",), "masked hero", face_paint.masked_hero),
    (("warrior",), "warrior", face_paint.warrior),
    (("lipstick",), "lipstick", face_paint.lipstick),
    (("zombie",), "zombie", recipes.zombie),
    (("modigliani",), "Modigliani painting", recipes.modigliani),
    (("sunburn",), "sunburn", recipes.sunburn),
    (("old",), "old", recipes.old),
    (("aged",), "old", recipes.old),
    (("elderly",), "old", recipes.old),
    (("vampire",), "vampire", recipes.vampire),
    (("hulk",), "green skin", recipes.skin_colour((0.36, 0.62, 0.28))),
    (("green", "skin"), "green skin", recipes.skin_colour((0.36, 0.62, 0.28))),
    (("orc",), "green skin", recipes.skin_colour((0.40, 0.55, 0.30))),
    (("avatar",), "blue skin", recipes.skin_colour((0.30, 0.50, 0.82))),
    (("blue", "skin"), "blue skin", recipes.skin_colour((0.30, 0.50, 0.82))),
    (("tan",), "tan", recipes.skin_colour((0.70, 0.45, 0.28), 0.6)),
    (("pale",), "pale", recipes.skin_colour((0.93, 0.86, 0.84), 0.7)),
    (("beard",), "beard", face_paint.beard),
    (("makeup",), "make-up", face_paint.make_up),
    (("make-up",), "make-up", face_paint.make_up),
    (("skull",), "skull", face_paint.skull),
    (("skeleton",), "skull", face_paint.skull),
    (("sketch",), "pencil sketch", recipes.pencil_sketch),
    (("drawing",), "pencil sketch", recipes.pencil_sketch),
]
SYNONYMS = {
    "blonde": "blond",
    "golden": "gold",
    "elder": "old",
    "older": "old",
    "sunburned": "sunburn",
    "sunburnt": "sunburn",
    "ginger": "red hair",
    "redhead": "red hair",
    "grandfather": "old",
    "grandmother": "old",
    "tanned": "tan",
    "bearded": "beard",
    "pencil": "sketch",
    "undead": "zombie",
    "dracula": "vampire",
    "dyed": "hair",
    "lips": "lipstick",
    "gray": "grey",
    "mustache": "moustache",
    "freckled": "freckles",
    "spectacles": "glasses",
    "masked": "mask",
    "superhero": "hero",
    "kitten": "cat",
}


def instructions() -> list[str]:
    """The names of the instructions that the paint editor knows, once each."""
    return list(dict.fromkeys(name for _, name, _ in RECIPES))


def find_recipe(prompt: str) -> tuple[str, Recipe]:
    """The instruction's name and the recipe that a sentence means.

    Raises PromptError, with the list of what can be done, if it means none.
    """
    plain = "".join(ch if ch.isalnum() or ch == "-" else " " for ch in prompt.lower())
    words = " ".join(SYNONYMS.get(word, word) for word in plain.split()).split()
    for keys, name, recipe in RECIPES:
        if all(key in words for key in keys):
            return name, recipe
    raise PromptError(
        f"the paint editor (a stand-in without a network) cannot do {prompt!r}. "
        f"It knows: {', '.join(instructions())}. "
        "For any other wish give an InstructPix2Pix folder: --editor DIR"
    )
