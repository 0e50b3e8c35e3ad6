"""From a spec to tasks: every setting is checked before anything runs."""

from dataclasses import asdict, dataclass
from statistics import median

from stkit.errors import RequestError
from stkit.io.tensors import read_json
from stkit.runs.folders import runs_root
from stkit.runs.store import STORE
from stkit.studies.sweeps.engine import WORKER_GB, local_workers
from stkit.studies.sweeps.ledger import SWEEPS, Ledger, sweep_folder
from stkit.studies.sweeps.spec import SweepSpec, settings_of
from stkit.studies.sweeps.targets import EditTarget, profile_of, target_of
from stkit.studies.sweeps.work import Task


@dataclass(frozen=True)
class Plan:
    """A sweep that can be run: its spec, its tasks and its ledger."""

    spec: SweepSpec
    tasks: list[Task]
    ledger: Ledger

    def begin(self) -> None:
        """Write what will be tried into the sweep's folder."""
        tasks = [{"number": t.number, "key": t.key, "setting": t.setting} for t in self.tasks]
        self.ledger.begin(asdict(self.spec), tasks)

    def left(self) -> list[Task]:
        """The tasks that are not finished."""
        return [task for task in self.tasks if not self.ledger.finished(task.key)]

    def summary(self, workers: int | None = None) -> str:
        """What would be done, in words: tasks, new artifacts, hours and memory."""
        left, count = self.left(), workers or local_workers()
        seconds = _usual_seconds(self.spec)
        lines = [f"{len(self.tasks)} settings, {len(self.tasks) - len(left)} of them finished"]
        lines += [f"{name}: {_few(values)}" for name, values in self.spec.values.items()]
        if isinstance(self.tasks[0].target, EditTarget):
            new = sum(not _in_store("edit-scores", t.key) for t in left)
            lines.append(f"{new} edits to make; the head of '{self.spec.base}' is shared by all")
        if seconds is None:
            lines.append("no such task has run here yet: how long it takes is not known")
        else:
            hours = seconds * len(left) / count / 3600
            lines.append(f"about {hours:.2f} hours on {count} workers ({seconds:.1f} s a task)")
        lines.append(f"{count} workers, one thread each, at least {WORKER_GB} GB for each")
        return "\n".join(lines)


def make_plan(spec: SweepSpec) -> Plan:
    """All tasks of a sweep. RequestError naming the first setting that cannot be run; nothing is
    written.
    """
    target = target_of(spec.base, spec.stage, spec.notebooks)
    tasks = []
    for number, setting in enumerate(settings_of(spec, profile_of(spec.base))):
        try:
            checked = target.checked(setting)
        except RequestError as e:
            raise RequestError(f"setting {number}: {e}") from e
        tasks.append(Task(number, target.key(checked), checked, target))
    keys: dict[str, int] = {}
    for task in tasks:
        if task.key in keys:
            same = f"settings {keys[task.key]} and {task.number} are the same"
            raise RequestError(f"{same}: {task.setting}")
        keys[task.key] = task.number
    return Plan(spec, tasks, Ledger(sweep_folder(spec.name)))


def _in_store(stage: str, key: str) -> bool:
    return (runs_root() / STORE / stage / key / "run.json").exists()


def _few(values: list, most: int = 8) -> str:
    shown = ", ".join(str(v) for v in values[:most])
    return f"{shown}, ... ({len(values)})" if len(values) > most else shown


def _usual_seconds(spec: SweepSpec) -> float | None:
    """Median seconds of the tasks that this base and these notebooks had here, in any sweep."""
    found: list[float] = []
    for file in (runs_root() / SWEEPS).glob("*/sweep.json"):
        other = read_json(file).get("spec", {})
        same = (other.get("base"), tuple(other.get("notebooks") or ()))
        if same == (spec.base, spec.notebooks):
            found += [row["seconds"] for row in Ledger(file.parent).rows() if "seconds" in row]
    return median(found) if found else None
