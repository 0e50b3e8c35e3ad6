"""A process that reads files, and is watched while it does."""

import multiprocessing
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from tests.hostile.readers import READERS

SECONDS, GIGABYTE = 10.0, 2**30
SAMPLE = 0.02  # seconds between two looks at a reader's memory


def serve(connection: Connection) -> None:
    """Read files as they come, and say what happened."""
    from stkit.errors import RequestError

    while True:
        name, path = connection.recv()
        try:
            READERS[name].read(Path(path))
            answer = ("read", "")
        except RequestError as e:
            named = any(
                part in str(e) for part in (path, *(str(p) for p in Path(path).parents[:3]))
            )
            answer = ("refused" if named or "packet" in str(e) else "names no file", str(e)[:300])
        except BaseException as e:
            where = traceback.extract_tb(e.__traceback__)[-1]
            answer = (
                "traceback",
                f"{type(e).__name__}: {e} ({where.filename}:{where.lineno})"[:300],
            )
        connection.send(answer)


class Watched:
    """A process that reads files; it is started anew after a fault that killed it."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self.connection, theirs = self.context.Pipe()
        self.process = self.context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.memory = psutil.Process(self.process.pid)

    def read(self, reader: str, path: Path, patient: bool = False) -> tuple[str, str]:
        """Have a file read: the outcome, and what was said. patient: a first, valid file."""
        idle, start = self._resident(), time.monotonic()
        self.connection.send((reader, str(path)))
        while not self.connection.poll(SAMPLE):
            if not self.process.is_alive():
                code = self.process.exitcode
                self._start()
                return "crash", f"exit code {code}"
            if patient:
                continue
            above = self._resident() - idle
            if above > GIGABYTE or time.monotonic() - start > SECONDS:
                self.process.kill()
                self.process.join()
                self._start()
                return (
                    ("memory", f"{above / GIGABYTE:.1f} GB") if above > GIGABYTE else ("hang", "")
                )
        return self.connection.recv()

    def _resident(self) -> int:
        try:
            return self.memory.memory_info().rss
        except psutil.NoSuchProcess:
            return 0

    def end(self) -> None:
        """Stop the process."""
        self.process.kill()
        self.process.join()
