"""Errors that a person can mend: the message says what was wrong, where, and what to do next.

Everything else that is raised is a fault of the kit, and is shown with its traceback.
"""


class RequestError(ValueError):
    """A wrong request: a setting, a name, a file that cannot be used."""


class MissingFileError(RequestError, FileNotFoundError):
    """A file or folder that was asked for and is not there."""
