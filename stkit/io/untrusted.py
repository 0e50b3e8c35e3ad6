"""One kind of error for damaged and hostile files; its message names the file."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stkit.errors import MissingFileError, RequestError

Data = TypeVar("Data")


class UnsafeFileError(RequestError):
    """The file is damaged, of another kind, or asks for something that is not data."""


def guard(path: Path, read: Callable[[], Data]) -> Data:
    """The result of `read()`, which reads `path`.

    Raises FileNotFoundError if there is no such file, and UnsafeFileError with the file's name
    instead of whatever exception a damaged or hostile file provokes in the reader.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such file")
    try:
        return read()
    except UnsafeFileError as e:
        raise UnsafeFileError(f"{path}: cannot be read as data: {e}") from e
    except MemoryError as e:
        raise UnsafeFileError(f"{path}: asks for more memory than there is") from e
    except Exception as e:  # parsers raise exceptions of many kinds when a file is damaged
        detail = str(e).splitlines()[0] if str(e) else "no details"
        raise UnsafeFileError(
            f"{path}: is damaged or of another kind ({type(e).__name__}: {detail})"
        ) from e
