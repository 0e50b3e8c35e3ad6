"""What an edit remembers from step to step, in the shape that a checkpoint can hold."""

from torch import Tensor

from stkit.editing.shots import Shot
from stkit.heads.gaussian import GaussianHead


class Targets:
    """The shots' targets and strengths and the log of edits, in the shape that a checkpoint can
    hold.
    """

    def __init__(self, shots: list[Shot]):
        self.shots = shots
        self.log: list[dict] = []

    def set(self, shot: Shot, target: Tensor, b: float, k: int) -> None:
        """Give a shot the target that was edited at strength b before step k."""
        shot.target, shot.b = target, b
        self.log.append({"step": k, "shot": shot.name, "b": round(b, 4)})

    def state_dict(self) -> dict:
        """For a checkpoint."""
        targets, strengths = [s.target for s in self.shots], [s.b for s in self.shots]
        return {"targets": targets, "b": strengths, "log": self.log}

    def load_state_dict(self, state: dict) -> None:
        """From a checkpoint."""
        for shot, target, b in zip(self.shots, state["targets"], state["b"]):
            shot.target, shot.b = target.to(shot.original.device), b
        self.log[:] = state["log"]


class Shifts:
    """What the frozen deformation does to the points in each shot, in the shape that a checkpoint
    can hold.
    """

    def __init__(self, head: GaussianHead):
        self.head = head
        self.known: dict[str, Tensor] = {}

    def of(self, shot: Shot) -> Tensor:
        """The shift (N, 3) of a shot, computed at most once until `known` is cleared."""
        if shot.name not in self.known:
            self.known[shot.name] = self.head.shift(shot.frame.beta, shot.frame.pose)
        return self.known[shot.name]

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return dict(self.known)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """From a checkpoint."""
        device = self.head.xyz.device
        self.known = {name: shift.to(device) for name, shift in state.items()}
