"""Sweeps: what they try, what they refuse, what one task leaves, tables and page."""

import json
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from browser import offline_tab
from dask.distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st
from test_road import TINY

from stkit.cli import main
from stkit.errors import RequestError
from stkit.runs import profiles
from stkit.runs.folders import STORE, runs_root
from stkit.runs.road import Road
from stkit.studies.sweeps import engine
from stkit.studies.sweeps.ledger import DONE, FAILED, SET_ASIDE, Ledger
from stkit.studies.sweeps.plan import make_plan
from stkit.studies.sweeps.scale import simulate
from stkit.studies.sweeps.spec import SweepSpec, at, parse_values, read_spec, settings_of
from stkit.studies.sweeps.sweep import run_sweep
from stkit.studies.sweeps.tables import chosen, joined, means, read_table, write_tables
from stkit.studies.sweeps.work import Task, run_task

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


# ---- what is tried
def test_a_grid_is_every_combination_with_every_seed():
    spec = SweepSpec(
        "x", values={"alpha": [1, 2], "b": [0.1, 0.2, 0.3]}, fixed={"steps": 5}, seeds=2
    )
    found = settings_of(spec)
    assert len(found) == 12 and all(s["steps"] == 5 for s in found)
    assert len({json.dumps(s, sort_keys=True) for s in found}) == 12


def test_some_parameters_depend_on_the_bases_profile():
    more = {"quick": {"steps": 5}, "laptop": {"steps": 50}}
    spec = SweepSpec("x", values={"alpha": [1]}, per_profile=more)
    assert [settings_of(spec, name)[0]["steps"] for name in more] == [5, 50]


def test_a_list_goes_through_its_values_together():
    spec = SweepSpec("x", values={"a": [1, 2], "b": ["p", "q"]}, way="list")
    assert settings_of(spec) == [{"a": 1, "b": "p"}, {"a": 2, "b": "q"}]
    with pytest.raises(RequestError, match="as many values"):
        settings_of(SweepSpec("x", values={"a": [1, 2], "b": [1]}, way="list"))


def test_a_latin_hypercube_has_one_sample_in_each_slice():
    spec = SweepSpec("x", values={"a": [0.0, 1.0], "k": [1, 10]}, way="latin", samples=10)
    found = settings_of(spec)
    assert sorted(int(s["a"] * 10) for s in found) == list(range(10))
    assert sorted(s["k"] for s in found) == list(range(1, 11))
    assert found == settings_of(spec)


@given(st.floats(0, 1, exclude_max=True), st.integers(-5, 5), st.integers(0, 9))
def test_a_place_in_a_range_of_whole_numbers_is_in_it(place, low, width):
    value = at([low, low + width], place)
    assert type(value) is int and low <= value <= low + width


def test_values_are_read_from_the_command_line_with_their_types():
    found = parse_values(["alpha=1,2.5", 'prompt="turn her, please, green",clown', "flag=true"])
    assert found["alpha"] == [1, 2.5] and found["flag"] == [True]
    assert found["prompt"] == ["turn her, please, green", "clown"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("- 1", "holds no fields"), ("nme: x", "no field 'nme'"), (": :", "not a YAML file")],
)
def test_a_spec_file_that_says_something_else_is_named(tmp_path, text, words):
    file = tmp_path / "sweep.yml"
    file.write_text(text)
    with pytest.raises(RequestError, match=words) as e:
        read_spec(file)
    assert "sweep.yml" in str(e.value)


def test_a_spec_file_says_the_same_as_the_command_line(tmp_path):
    file = tmp_path / "sweep.yml"
    file.write_text("name: x\nvalues: {alpha: [1, 2]}\nseeds: 2\nfixed: {steps: 3}\n")
    assert read_spec(file) == SweepSpec("x", values={"alpha": [1, 2]}, seeds=2, fixed={"steps": 3})


# ---- what is refused, before anything runs
def test_a_wrong_parameter_in_setting_137_is_refused_before_anything_runs(tmp_path):
    values = [float(k) for k in range(200)]
    values[137] = "many"
    with pytest.raises(RequestError, match=r"setting 137: alpha='many' is str, expected float"):
        run_sweep(SweepSpec("x", values={"alpha": values}))
    assert not list(tmp_path.rglob("sweeps"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (SweepSpec("x", values={"alfa": [1]}), "no setting 'alfa'"),
        (SweepSpec("x", values={"alpha": [-1]}), "setting 0: alpha -1"),
        (SweepSpec("x", values={"alpha": [1, 1]}), "settings 0 and 1 are the same"),
        (SweepSpec("x", base="nobody"), "no run named 'nobody'"),
        (SweepSpec("x", stage="mesh"), "stage 'mesh' cannot be swept"),
        (SweepSpec("x", ("weigh_landmarks",), values={"nonsense": [1]}), "no parameter 'nonsense'"),
        (SweepSpec("../x", values={"alpha": [1]}), "run name"),
    ],
)
def test_requests_that_cannot_be_run_say_why(spec, words):
    with pytest.raises(RequestError, match=words):
        make_plan(spec)


def test_a_dry_run_says_what_would_be_done(capsys):
    command = "sweep --base mara --grid alpha=1,2 --seeds 3 --name x --dry-run --workers 2"
    assert main(command.split()) == 0
    said = capsys.readouterr().out
    assert "6 settings, 0 of them finished" in said and "6 edits to make" in said
    assert "how long it takes is not known" in said and "2 workers" in said


# ---- one task
def notebook_that(tmp_path: Path, code: str) -> Path:
    cells = [
        nbformat.v4.new_code_cell("k: int = 0  # a number", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code),
    ]
    path = tmp_path / "small.ipynb"
    about = {"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), path)
    return path


def begun(spec: SweepSpec):
    plan = make_plan(spec)
    plan.begin()
    return plan


def test_a_notebook_whose_cell_fails_leaves_the_others(tmp_path):
    code = (
        "from stkit.runs.lesson import record\nassert k != 1, 'one is wrong'\nrecord(double=2 * k)"
    )
    path = notebook_that(tmp_path, code)
    plan = begun(SweepSpec("some", (str(path),), values={"k": [0, 1, 2]}))
    found = [run_task(task, str(plan.ledger.folder), "s") for task in plan.tasks]
    assert found == [DONE, FAILED, DONE]
    rows = plan.ledger.rows()
    assert [row.get("double") for row in rows] == [0.0, None, 4.0]
    assert "one is wrong" in rows[1]["error"]
    assert "one is wrong" in (plan.ledger.folder / rows[1]["log"]).read_text()
    kept = [row["result"] for row in rows if row["status"] == DONE]
    assert all((plan.ledger.folder / name).exists() for name in kept) and len(set(kept)) == 2
    assert plan.left() == [] and not list((plan.ledger.folder / "attempts").iterdir())


def test_an_edit_leaves_numbers_a_picture_and_links():
    plan = begun(SweepSpec("one", values={"alpha": [4]}, fixed={"steps": 1, "frames": 1}))
    [task] = plan.tasks
    assert run_task(task, str(plan.ledger.folder), "s") == DONE
    [row] = plan.ledger.rows()
    assert row["alpha"] == 4.0 and 0 < row["edit.inside"] < 1 and row["peak_gb"] > 0.1
    assert "stand-in" in row["edited_by"]
    assert (plan.ledger.folder / row["picture"]).exists()
    assert (plan.ledger.folder / row["result"]).is_symlink()
    assert main(["sweep", "avatar", "one", "0"]) == 0
    avatar = plan.ledger.folder / "avatars" / "00000.html"
    assert "setting 0" in avatar.read_text()
    assert "avatars/00000.html" in (plan.ledger.folder / "index.html").read_text()
    assert main(["sweep", "avatar", "one", "7"]) == 2


def test_a_task_that_takes_its_worker_with_it_twice_is_set_aside(tmp_path):
    plan = begun(SweepSpec("deaths", (str(notebook_that(tmp_path, "1")),), values={"k": [0]}))
    [task], ledger = plan.tasks, plan.ledger
    assert ledger.attempt(task.key, "s") and ledger.attempt(task.key, "s")
    assert run_task(task, str(ledger.folder), "s") == SET_ASIDE
    assert not ledger.finished(task.key), "another session tries it again"
    assert run_task(task, str(ledger.folder), "next") == DONE


@contextmanager
def in_this_process(workers: int = 3):
    """A cluster of threads, which see this test's own profiles."""
    local = {"n_workers": workers, "threads_per_worker": 1, "processes": False}
    with LocalCluster(**local, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client


def test_what_all_settings_share_is_made_once(monkeypatch):
    monkeypatch.setitem(profiles.PROFILES, "quick", TINY)
    Road("shared", "synthetic", "quick", quiet=True).remember()
    fixed = {"steps": 1, "frames": 1}
    spec = SweepSpec("many", base="shared", values={"alpha": [1, 2, 3, 4, 5, 6]}, fixed=fixed)
    plan, found = run_sweep(spec, in_this_process, lambda items, **_: items)
    assert found == {DONE: 6} and (plan.ledger.folder / "index.html").exists()
    for stage, count in {"preprocess": 1, "mesh": 1, "gaussians": 1, "edit": 6}.items():
        made = list((runs_root() / STORE / stage).glob("*/run.json"))
        assert len(made) == count, stage
    assert not (runs_root() / "shared" / "edit").exists(), "the run itself stays as it is"


def test_the_simulation_writes_every_row():
    found = simulate(0.01, 300)
    assert found["rows"] == found["tasks"] == 300 and 0 < found["busy"] < 1


# ---- tables
def filled(name: str = "filled", seeds: int = 3) -> Ledger:
    """A ledger whose numbers are known: inside = alpha / 10 + seed / 100."""
    spec = SweepSpec(name, values={"alpha": [1, 2], "prompt": ["a, b", 'say "hi"']}, seeds=seeds)
    plan = begun(spec)
    for t in plan.tasks:
        inside = t.setting["alpha"] / 10 + t.setting.get("seed", 0) / 100
        row = {"key": t.key, "status": DONE, "edit.inside": inside, "seconds": 1.5, "result": "x"}
        row |= {"finished": "2026-01-01T00:00:00"}
        plan.ledger.write_row(t.key, t.setting | row)
    return plan.ledger


def test_the_table_is_the_same_in_pandas_and_duckdb():
    duckdb = pytest.importorskip("duckdb")
    ledger = filled()
    table = write_tables(ledger)
    file = ledger.folder / "table.parquet"
    theirs = duckdb.sql(f"select * from '{file}' order by number").fetchall()
    ours = table.astype(object).where(table.notna(), None).to_numpy()
    assert [tuple(row) for row in ours] == theirs
    mean = "select alpha, avg(\"edit.inside\") from '{}' group by alpha order by alpha"
    for kind in ("parquet", "csv"):
        found = dict(duckdb.sql(mean.format(ledger.folder / f"table.{kind}")).fetchall())
        ours = table.groupby("alpha")["edit.inside"].mean()
        assert found == pytest.approx(dict(ours))


def test_questions_to_the_table():
    filled()
    table = chosen(read_table("filled"), "alpha > 1 and edit.inside < 0.215")
    assert len(table) == 4
    found = means(read_table("filled"), ["alpha"], ["edit.inside"])
    assert found["lines"].tolist() == [6, 6]
    assert found["edit.inside"].tolist() == pytest.approx([0.11, 0.21])
    assert all(found["edit.inside low"] < found["edit.inside"])
    assert all(found["edit.inside"] < found["edit.inside high"])
    with pytest.raises(RequestError, match="Columns: "):
        chosen(read_table("filled"), "nonsense > 1")
    with pytest.raises(RequestError, match="no column 'x'"):
        means(read_table("filled"), ["x"], ["edit.inside"])


def test_a_condition_runs_no_code(tmp_path):
    filled()
    for text in ("@print(1)", "__import__('os').getcwd()", "alpha.map(print)"):
        with pytest.raises(RequestError):
            chosen(read_table("filled"), text)


def test_twenty_students_make_one_table(tmp_path):
    paths = []
    for k in range(20):
        ledger = filled(f"student{k}", seeds=1)
        write_tables(ledger)
        paths.append(str(ledger.folder / ("table.csv" if k % 2 else "table.parquet")))
    table = joined(paths)
    assert len(table) == 20 * 4 and table["sweep"].nunique() == 20
    bad = tmp_path / "other.csv"
    bad.write_text("a,b\n1,2\n")
    with pytest.raises(RequestError, match="not the table of a sweep"):
        joined([str(bad)])


def test_unknown_sweeps_are_refused_with_the_known_ones(capsys):
    filled()
    assert main(["sweep", "table", "nobody"]) == 2
    assert "filled" in capsys.readouterr().err


def test_a_watch_reads_what_another_process_wrote():
    from stkit.studies.sweeps.watch import SweepWatch

    ledger = filled("watched")
    watch = SweepWatch("watched", "http://127.0.0.1:8787/status")
    assert watch.bar.value == watch.bar.max == 12 and watch.look()
    assert "12 done" in watch.words.value and "edit.inside" in watch.rows.value
    file = next((ledger.folder / "rows").iterdir())
    file.unlink()
    assert not watch.look() and watch.bar.value == 11


# ---- page
def test_the_page_draws_sorts_and_escapes(browser, tmp_path):
    from stkit.studies.sweeps.page import write_page

    ledger = filled("page")
    write_tables(ledger)
    task = Task(
        99, "f" * 20, {"alpha": 9.0, "prompt": "<script>alert(1)</script>", "seed": 0}, None
    )
    about = ledger.about()
    tasks = [*about["tasks"], {"number": 99, "key": task.key, "setting": task.setting}]
    ledger.begin(about["spec"], tasks)
    ledger.write_row(task.key, task.setting | {"status": FAILED, "error": "<b>broken</b>"})
    page = write_page(ledger)
    with offline_tab(browser) as tab:
        tab.goto(page.as_uri())
        tab.wait_for_selector("#figure1 svg.main-svg")
        assert tab.locator("svg.main-svg").count() >= 2
        tab.select_option("#by", "edit.inside")
        tab.check("#down")
        first = tab.locator("#sheet a").first.inner_text()
        assert "0.22" in first
        assert tab.locator("td", has_text="<b>broken</b>").count() == 1


# ---- clusters
def test_a_slurm_job_is_what_dask_jobqueue_makes_of_the_guides_settings(tmp_path):
    dask_jobqueue = pytest.importorskip("dask_jobqueue")
    file = Path(__file__).parents[1] / "docs" / "guide" / "slurm.yml"
    settings = engine.slurm_settings(file)
    jobs = settings.pop("jobs")
    assert jobs >= 1 and settings["cores"] == settings["processes"], "one thread a worker"
    with dask_jobqueue.SLURMCluster(**settings) as cluster:
        script = cluster.job_script()
    for line in ("#SBATCH --cpus-per-task=", f"#SBATCH -t {settings['walltime']}", "--lifetime"):
        assert line in script
    assert "OMP_NUM_THREADS=1" in script and "--nthreads 1" in script


def test_slurm_settings_that_lack_the_number_of_jobs_are_refused(tmp_path):
    file = tmp_path / "slurm.yml"
    file.write_text("cores: 1")
    with pytest.raises(RequestError, match="jobs"):
        engine.slurm_settings(file)


def test_a_scheduler_that_runs_already_is_used():
    with in_this_process(1) as own, engine.running_cluster(own.scheduler.address) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 1)
    with (
        pytest.raises(RequestError, match="no scheduler answers"),
        engine.running_cluster("tcp://127.0.0.1:9"),
    ):
        pass
