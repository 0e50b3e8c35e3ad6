"""What an unpickler makes instead of the objects that a file names: inert objects and numpy arrays.

numpy's own unpickling never sees the file's bytes: a type and an array are described first, then
checked, and built at the end.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from stkit.io.untrusted import UnsafeFileError

MAX_ARRAY = 2**31  # elements of one array, bytes of one bytearray
ARRAY_TYPE = re.compile(r"[?biufcOSUVMm]\d*")  # a type code of numpy such as f8, O or U3


class Inert:
    """Stands for an object of a class that is not rebuilt.

    `state` is what the file stored for the object, `arguments` what its class was called with.
    """

    arguments: tuple
    state: Any

    def __new__(cls, *arguments, **_):
        """Make the object from anything."""
        self = object.__new__(cls)
        self.arguments = arguments
        self.state = None
        return self

    def __init__(self, *arguments, **_):
        pass

    def __setstate__(self, state):
        self.state = state

    def __call__(self, *arguments, **_):
        """Take the place of a function that a file names."""
        return Inert(*arguments)

    def __setitem__(self, *_):
        pass

    def append(self, _):
        """Ignore what the file appends."""

    def extend(self, _):
        """Ignore what the file appends."""


class ArrayType:
    """A numpy dtype as a pickle describes it: a type code and a byte order."""

    def __init__(self, code, *_):
        self.code = code
        self.order = "="
        if not isinstance(code, str) or not ARRAY_TYPE.fullmatch(code):
            raise UnsafeFileError("holds an array of an unknown type")

    def __setstate__(self, state):
        if len(state) < 5 or state[2] is not None or state[3] is not None:
            raise UnsafeFileError("holds structured arrays")
        self.order = state[1]

    def dtype(self) -> np.dtype:
        """The type in numpy's form."""
        kind = np.dtype(self.code)
        return kind.newbyteorder(self.order) if self.order in ("<", ">") else kind


class Array:
    """A numpy array under construction, from the state that a pickle gives it."""

    def __init__(self, *_):
        self.state = None

    def __setstate__(self, state):
        self.state = state

    def value(self, resolve: Callable[[Any], Any]) -> np.ndarray:
        """The array; `resolve` finishes the elements of an array of objects."""
        if self.state is None:
            raise UnsafeFileError("holds an array without contents")
        _, shape, kind, fortran, content = self.state
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise UnsafeFileError("holds an array whose shape is not made of numbers")
        if math.prod(shape) > MAX_ARRAY:
            raise UnsafeFileError("asks for an array of impossible size")
        if kind.code.startswith("O"):
            if len(content) != math.prod(shape):
                raise UnsafeFileError("holds an array of objects with the wrong length")
            out = np.empty(len(content), object)
            for k, element in enumerate(content):
                out[k] = resolve(element)
        else:
            data = content if isinstance(content, bytes) else content.encode("latin1")
            out = np.frombuffer(data, kind.dtype()).copy()
        return out.reshape(shape, order="F" if fortran else "C")


def scalar(kind: ArrayType, content: bytes | str = b"") -> Any:
    """One number of a numpy type."""
    data = content if isinstance(content, bytes) else content.encode("latin1")
    return np.frombuffer(data, kind.dtype())[0]
