"""What is asked of `stkit reproduce`, and the runs that answer it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stkit.errors import RequestError
from stkit.runs.folders import runs_root, slug
from stkit.runs.profiles import get_profile
from stkit.runs.road import Road
from stkit.studies.reproduce.records import check_heads
from stkit.studies.reproduce.rigs import TRACKED, film_rig
from stkit.synthetic.subject import synthetic_seed


@dataclass(frozen=True)
class Request:
    """heads: videos or made-up people; seeds: of every edit; folder: where records and pages go, in
    a folder for each profile; pictures: whether heads may be shown.
    """

    heads: tuple[str, ...] = ("synthetic",)
    profile: str | None = None
    seeds: int = 1
    prompt: str = "turn the person into a clown"
    editor: str = "tiny"
    folder: Path = Path("reproduced")
    pictures: bool = True

    def __post_init__(self) -> None:
        check_heads(list(self.heads))
        if self.seeds < 1:
            raise RequestError(f"seeds {self.seeds}: at least one is needed")

    @property
    def place(self) -> Path:
        """The profile's own folder: heads of two profiles are never averaged."""
        return self.folder / get_profile(self.profile).name

    def road(self, head: str) -> Road:
        """The run of a head."""
        return _road(head, self.profile)

    def rig_road(self, head: str) -> Road | None:
        """The run of a made-up head that sixteen cameras filmed; None for a video, which has one.

        It takes half as many frames as the profile's other runs: every one is filmed 16 times.
        """
        if synthetic_seed(head) is None:
            return None
        frames = get_profile(self.profile).preprocess.max_frames // 2
        name = slug(head_name(head))
        folder = film_rig(head, frames, runs_root() / "rigs" / f"{name}-{frames}")
        film = str(folder / "images" / TRACKED)
        return Road(f"reproduce-rig-{name}", film, self.profile, 0, quiet=True, rig=str(folder))


@lru_cache(maxsize=8)
def _road(head: str, profile: str | None) -> Road:
    return Road(f"reproduce-{slug(head_name(head))}", head, profile, 0, quiet=True)


def head_name(head: str) -> str:
    """A head's name in records: a video's without its folder and ending."""
    return head if head.startswith("synthetic") else Path(head).stem
