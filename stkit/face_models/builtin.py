"""The head that is always there: MakeHuman's, with a shell for hair."""

from functools import lru_cache

from stkit.face_models.makehuman import makehuman
from stkit.face_models.makehuman.hair_shell import with_hair
from stkit.face_models.makehuman.head import MakeHumanHead as BuiltinHead

__all__ = ["BuiltinHead", "builtin"]


@lru_cache(maxsize=1)
def builtin() -> BuiltinHead:
    """The built-in head, loaded once in a process."""
    return with_hair(makehuman())
