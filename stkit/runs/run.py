"""A run on disk: what it was made from, which settings were changed, and links to its artifacts."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stkit.errors import RequestError
from stkit.export.marks import mark_folder
from stkit.export.statement import Statement
from stkit.progress import bar
from stkit.runs.consent import consent_of
from stkit.runs.folders import link, remember, remembered, run_folder
from stkit.runs.plan import IDENTITY, Plan
from stkit.runs.source import Source
from stkit.runs.store import Artifact, Recipe, Work, results

SHOW_EDIT = ("edit", "animate")  # stages whose pictures show the run's last edit


class Run:
    """A run: what it is made from, what it remembers, and where its artifacts are.

    run: its name. source: a video, a folder of images, or 'synthetic' (see `Source`). profile,
    seed, views, rig, face_model, held_out, device: see `Plan`. labels: whether pictures and films
    carry the visible word. What is None is as the run remembers it, or the default.
    """

    def __init__(
        self,
        run: str = "demo",
        source: str | None = None,
        profile: str | None = None,
        seed: int | None = None,
        quiet: bool = False,
        views: str | None = None,
        rig: str | None = None,
        face_model: str | None = None,
        held_out: str | None = None,
        device: str = "",
        labels: bool | None = None,
    ):
        self.run, self.folder, self.quiet = run, run_folder(run), quiet
        self.progress = (lambda x, **k: x) if quiet else bar
        before = remembered(run)
        given = dict(zip(IDENTITY, (source, profile, seed, views, rig, face_model, held_out)))
        known: dict[str, Any] = {
            name: before.get(name) if x is None else x for name, x in given.items()
        }
        self.plan = Plan(
            source=Source.parse(known["source"] or "synthetic").resolved(),
            profile=known["profile"] or "",
            seed=known["seed"] or 0,
            views=known["views"] or "mesh-prior",
            rig=known["rig"] or "",
            face_model=known["face_model"] or "makehuman",
            held_out=known["held_out"] or "end",
            device=device or os.environ.get("STKIT_DEVICE") or "auto",
        )
        self.settings = self.plan.settings
        self.labels: bool = before.get("labels", True) if labels is None else labels
        self.last_edit: dict | None = None
        self._announced: set[str] = set()
        self._known = True  # whether run.json says what this run is made from
        self._recall(before)

    # ---- what the run remembers
    def _recall(self, before: dict) -> None:
        """Take over the changes of the same run; say so where the run goes on as another one."""
        now = self.plan.identity
        if all(before.get(name) == value for name, value in now.items()):
            self.plan.changes = before.get("changes") or {}
            self.last_edit = before.get("edit")
            self._check_changes()
            return
        if before:
            new = [f"{k} {v!r}" for k, v in now.items() if before.get(k) != v]
            self.say(
                f"note: run '{self.run}' goes on with {', '.join(new)}: its stages are made anew; "
                "what was made before stays in the store"
            )
        self._known = False

    def _check_changes(self) -> None:
        """Raise RequestError where the changes that run.json remembers fit no stage."""
        plan = self.plan
        try:
            for settings in (plan.preprocess_settings, plan.mesh_settings, plan.gaussian_settings):
                settings()
            if self.last_edit is not None:
                change = {k: v for k, v in self.last_edit.items() if k != "editor"}
                plan.edit_settings(change.pop("prompt"), **change)
        except (TypeError, KeyError, AttributeError) as e:
            raise RequestError(
                f"{self.folder / 'run.json'}: what it remembers fits no stage of this version "
                f"({e}); delete the run, or make it anew under another name"
            ) from e

    def remember(self) -> None:
        """Write what the run is made from, so that another process can go on with it."""
        facts: dict[str, Any] = {"changes": self.plan.changes, "edit": self.last_edit}
        facts |= {"labels": self.labels, "consent": consent_of(self.plan.source)}
        remember(self.run, self.plan.identity | facts)
        self._known = True

    def change(self, stage: str, change: dict) -> None:
        """Change settings of a stage, for it and for the stages that follow; {} leaves them."""
        if change:
            self.plan.changes[stage] = change
            self.remember()

    # ---- artifacts
    def say(self, text: str) -> None:
        """Print, unless the run is quiet."""
        if not self.quiet:
            print(text, flush=True)

    def made(self, artifact: Artifact, place: str, make: Callable[[Work], None]) -> Path:
        """The folder of an artifact, found or made, linked as runs/NAME/PLACE; says once which of
        the two.
        """
        found = artifact.finished()
        stage = artifact.recipe.stage
        if artifact.key not in self._announced:
            self._announced.add(artifact.key)
            how = "already done with these settings, reused" if found else "running, profile"
            what = artifact.key if found else self.settings.name
            self.say(f"{stage}: {how} {what}")
        if not found:
            artifact.make(self._marked(make, stage in SHOW_EDIT), self.say)
        if not self._known:
            self.remember()
        link(self.run, place, artifact.folder)
        return artifact.folder

    def report(
        self, of: Artifact, stage: str, module: str, write: Callable[[Work], None], **settings
    ) -> None:
        """Pictures and numbers about an artifact, in runs/NAME/pictures/STAGE; made where they are
        not there.
        """
        modules = (f"stkit.runs.reports.{module}",)
        inputs = {"of": of.key} | self.label_input
        report = Artifact(Recipe(f"{stage}-report", settings, inputs, modules))
        if not report.finished():
            report.make(self._marked(write, stage in SHOW_EDIT), self.say)
        link(self.run, f"pictures/{stage}", report.folder)

    # ---- marks
    @property
    def label_input(self) -> dict[str, str]:
        """What tells artifacts without the visible word from those with it."""
        return {} if self.labels else {"labels": "left out on request"}

    def statement(self, facts: dict[str, str], edited: bool = False) -> Statement:
        """What the run's files say of themselves; facts: of the artifact; edited: whether they show
        the run's last edit.
        """
        source = self.plan.source
        last = (self.last_edit or {}) if edited else {}
        return Statement(
            source=source.clip_name,
            digest=source.digest(),
            consent=consent_of(source),
            edit=facts.get("prompt") or last.get("prompt") or last.get("shape", ""),
            editor=facts.get("editor") or last.get("editor", ""),
            driver=facts.get("driver", ""),
            labelled=self.labels,
        )

    def _marked(self, make: Callable[[Work], None], edited: bool = False) -> Callable[[Work], None]:
        """`make`, and then the marks of its pictures, films and pages."""

        def write(work: Work) -> None:
            work.labels = self.labels
            make(work)
            try:
                mark_folder(work.folder, self.statement(work.facts, edited))
            except OSError as e:
                self.say(f"note: files are not signed ({e}); see STKIT_CERTIFICATE in the guide")

        return write

    def results(self, stage: str) -> dict[str, dict]:
        """Numbers, absent ones with the reason, and facts of a stage: of its artifact and its
        report.
        """
        made, reported = results(self.folder / stage), results(self.folder / "pictures" / stage)
        return {kind: made[kind] | reported[kind] for kind in ("numbers", "absent", "facts")}

    def numbers(self, stage: str) -> dict[str, float]:
        """A stage's numbers by name."""
        return self.results(stage)["numbers"]
