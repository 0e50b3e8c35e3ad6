"""What an adversary found on the command line: each row was a traceback, a hang, or silence."""

import base64
import http.client
import io
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stkit.cli import check_words, main
from stkit.cli.export import printable
from stkit.errors import RequestError
from stkit.runs.folders import remembered, run_folder
from stkit.runs.page import write_page
from stkit.runs.run import Run
from stkit.studies.sweeps.spec import SweepSpec, parse_values, read_spec, settings_of
from stkit.studies.sweeps.tables import chosen
from stkit.studies.user_study.read import read_answers
from stkit.viewers.packet import Packet
from stkit.viewers.page_server import PageServer
from stkit.viewers.puppeteer import decoded

REFUSED = [
    (["run", ""], "name of the video is empty"),
    (["run", "synthetic:-1"], "at most 18 digits"),
    (["run", "synthetic:" + "9" * 500], "at most 18 digits"),
    (["run", "/", "--name", "s"], "holds no images"),
    (["run", "synthetic", "--held-out", "from:nan"], "held-out frames"),
    (["run", "synthetic", "--held-out", "from:-1"], "held-out frames"),
    (["talk", "--img_path", "synthetic:-1", "--text", "hello"], "at most 18 digits"),
    (["talk", "--img_path", "mara", "--text", "a", "--strength", "nan"], "--strength nan"),
    (["talk", "--img_path", "mara", "--text", "a", "--seed", str(2**70)], "--seed"),
    (["talk", "--dialogue", "d.txt", "--size", "64"], "--size"),
    (["notebook", "/abs"], "names 0 notebooks"),
    (["notebook", "*"], "names 0 notebooks"),
    (["notebook", "06", "-p", "alpha={[]:1}"], "alpha"),
    (["notebook", "06", "-o", "/"], "ends in .ipynb"),
    (["sweep", "--name", "s", "--grid", "method=zz", "--dry-run"], "zz"),
    (["sweep", "--name", "s", "--grid", "editor=nope", "--dry-run"], "nope"),
    (["sweep", "--name", "s", "--grid", "seed=-1", "--dry-run"], "seed=-1"),
    (["sweep", "--name", "s", "--spec", "/dev/zero", "--dry-run"], "no file"),
    (["sweep", "--name", "s", "--grid", "alpha=1", "--seeds", "99999999", "--dry-run"], "more"),
    (["sweep", "--name", "s", "--grid", "alpha=1", "--workers", "-1"], "--workers -1"),
    (["table", "nobody", "--write", "."], "nobody"),
]


@pytest.mark.parametrize(("words", "says"), REFUSED)
def test_it_is_refused_and_says_why(words, says, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error


@pytest.mark.parametrize(
    "memory",
    [
        {"changes": []},
        {"changes": {"mesh": 5}},
        {"changes": {"mesh": {"nope": 1}}},
        {"edit": "a clown"},
        {"edit": {"prompt": 5}},
        {"seed": "x"},
        {"source": 3},
        {"views": 3},
        {"held_out": []},
    ],
)
def test_a_damaged_memory_of_a_run_is_named(memory):
    known = {"source": "synthetic", "profile": "quick", "seed": 0, "views": "mesh-prior"}
    known |= {"rig": "", "face_model": "makehuman", "held_out": "end"}
    folder = run_folder("odd")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(known | memory))
    with pytest.raises(RequestError, match=r"run\.json"):
        Run("odd", quiet=True)


def test_a_split_by_seconds_has_a_page():
    folder = run_folder("ho")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"source": "synthetic", "held_out": "from:4"}))
    assert write_page("ho").exists() and remembered("ho")["held_out"] == "from:4"


def test_a_condition_on_a_table_runs_nothing(tmp_path):
    import pandas as pd

    table = pd.DataFrame({"alpha": [1.0, 5.0], "edit.inside": [0.1, 0.3], "seed": [0, 1]})
    assert list(chosen(table, "edit.inside > 0.2 and seed == 1")["alpha"]) == [5.0]
    assert list(chosen(table, "alpha in [1, 2]")["seed"]) == [0]
    target = tmp_path / "written"
    for text in (f'alpha.to_csv("{target}") == 1', "().__class__", "[x for x in (1,)]"):
        with pytest.raises(RequestError, match="--where"):
            chosen(table, text)
    assert not target.exists()


def test_settings_of_a_sweep_are_counted_before_they_are_made(tmp_path):
    many = {name: list(range(400)) for name in ("alpha", "b_boundary", "lr_color")}
    with pytest.raises(RequestError, match="64000000 settings"):
        settings_of(SweepSpec("s", values=many))
    with pytest.raises(RequestError, match="cannot be read"):
        parse_values(["prompt=a\nb"])
    assert str(parse_values(["alpha=" + "-" * 9000 + "1"])["alpha"][0]).startswith("-")
    for text in ("name: [1]", "name: s\nseeds: 1.5", "name: s\nfixed: [alpha]"):
        (tmp_path / "s.yml").write_text(text)
        with pytest.raises(RequestError, match=r"s\.yml"):
            read_spec(tmp_path / "s.yml")


def test_votes_count_once_and_silence_is_no_vote(tmp_path):
    methods = {"A": "ours", "B": "theirs"}
    key = {"study": "s", "questions": {"1": {"methods": methods}}}
    (tmp_path / "key.json").write_text(json.dumps(key))

    def answers(rater: str, picked: list) -> Path:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        rows = [{"question": "1", "chosen": c} for c in picked]
        file.write_text(json.dumps({"rater": rater, "study": "s", "answers": rows}))
        return file

    files = [answers("a", ["A"]), answers("b", [None]), answers("c", ["B"] * 1000)]
    votes = read_answers(files, tmp_path / "key.json")
    assert votes.votes == 2 and votes.raters == 2
    with pytest.raises(RequestError, match="cannot be printed"):
        read_answers([answers("x\ny", ["A"])], tmp_path / "key.json")
    (tmp_path / "key.json").write_text('{"a": 1}')
    with pytest.raises(RequestError, match="not the key"):
        read_answers(files, tmp_path / "key.json")


def test_what_a_file_says_cannot_command_a_terminal():
    assert printable("yes\n  signed\x1b[2J\x07") == "yes?  signed?[2J?"
    with pytest.raises(RequestError, match="UTF-8"):
        check_words(["look", "\udcff clown"])


def test_a_picture_is_measured_before_it_is_unpacked():
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    with pytest.raises(RequestError, match="too large|cannot be read"):
        decoded(base64.b64encode(out.getvalue()).decode())


class Silent:
    """A session of a page that answers nothing."""

    def answer(self, message):
        return {}, b""

    def end(self):
        pass


@pytest.fixture
def server():
    page = PageServer(Silent(), Packet({}, {"a": np.zeros(1, np.float32)}), "t", "n")
    threading.Thread(target=page.serve_forever, daemon=True).start()
    yield page
    page.shutdown()
    page.server_close()


@pytest.mark.parametrize("path", ["/x", "/../../etc/passwd", "//[x/"])
def test_every_path_is_answered(path, server):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    connection.request("GET", path)
    assert connection.getresponse().status in (400, 404)


def test_a_length_that_no_message_has_is_refused(server):
    with socket.create_connection(server.server_address, timeout=5) as line:
        head = f"POST /ask HTTP/1.1\r\nHost: 127.0.0.1:{server.server_address[1]}\r\n"
        head += f"X-Token: {server.token}\r\nContent-Length: {'9' * 5000}\r\n\r\n"
        line.sendall(head.encode())
        assert b" 400 " in line.recv(200)
