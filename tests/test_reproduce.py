"""Records that grow head by head, paired intervals, verdicts on claims, and their pages."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit.errors import RequestError
from stkit.studies.captions import BEFORE, captions
from stkit.studies.reproduce import claims, figures, jobs, paper, tables
from stkit.studies.reproduce.intervals import paired
from stkit.studies.reproduce.pages import claims_page, table_page
from stkit.studies.reproduce.records import Record
from stkit.studies.reproduce.request import Request, head_name

ORIGIN = {
    "profile": "quick",
    "seeds": 2,
    "prompt": "a clown's nose",
    "editor": "tiny",
    "stand_ins": "none",
    "minutes": 1.0,
    "code": "abc1234",
    "machine": "CPU",
}


def record(name="table1", **by_head) -> Record:
    """A record of one metric, 'inside': by head and variant, one number a seed."""
    out = Record(name)
    for head, variants in by_head.items():
        rows = {v: [{"inside": x} for x in seeds] for v, seeds in variants.items()}
        out.put(head, rows, ORIGIN)
    return out


def test_the_interval_of_heads_with_one_seed_is_the_plain_bootstrap():
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.5])
    found = paired([[v] for v in values])
    rng = np.random.default_rng(1)
    means = rng.choice(values, (20_000, 5)).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    assert (found.heads, found.seeds, found.sign) == (5, 1, 1)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6))
def test_an_interval_holds_its_mean_and_turns_with_the_sign(values):
    one, other = paired([[v] for v in values]), paired([[-v] for v in values])
    assert one.low - 1e-9 <= one.mean <= one.high + 1e-9
    assert one.low == pytest.approx(-other.high, abs=1e-6 + 0.3 * (one.high - one.low))


def test_one_pair_shows_nothing():
    assert paired([[0.3]]) is None and paired([]) is None and paired([[], [0.1]]) is None


def test_a_difference_pairs_the_same_head_and_seed():
    found = record(
        a={"ours": [1.0, 2.0], "E1": [0.5, 1.5]}, b={"ours": [7.0, 8.0], "E1": [6.5, 7.5]}
    ).difference("inside", "ours", "E1")
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    missing = record(a={"ours": [1.0, None], "E1": [0.5, 0.1]})
    assert missing.difference("inside", "ours", "E1") is None, "one pair is left"
    assert missing.mean("ours", "inside") == 1.0 and missing.mean("E2", "inside") is None


def test_a_record_grows_head_by_head(tmp_path):
    record(a={"ours": [1.0]}).save(tmp_path)
    second = Record.load(tmp_path, "table1")
    second.put("b", {"ours": [{"inside": 3.0}]}, ORIGIN)
    second.save(tmp_path)
    third = Record.load(tmp_path, "table1")
    assert list(third.rows) == ["a", "b"] and third.mean("ours", "inside") == 2.0
    third.put("a", {"ours": [{"inside": 5.0}]}, ORIGIN)
    assert third.mean("ours", "inside") == 4.0, "measured again, in place of the former"
    assert Record.load(tmp_path, "table9").rows == {}


def test_verdicts_say_what_the_interval_supports():
    test = claims.Comparison("table1", "inside", "ours", "E1", 1)
    far = {"ours": [1.0, 1.1], "E1": [0.1, 0.2]}
    back = {"ours": far["E1"], "E1": far["ours"]}
    both = {"ours": [1.0, 0.0], "E1": [0.0, 1.0]}
    cases = {
        claims.SUPPORTED: record(a=far, b=far, c=far, d=far),
        claims.CONTRADICTED: record(a=back, b=back, c=back, d=back),
        claims.FOR: record(a=far, b=far),
        claims.AGAINST: record(a=back),
        claims.UNDECIDED: record(a=both, b=both),
        claims.ONE: record(a={"ours": [1.0], "E1": [0.1]}),
        claims.MISSING: record(),
    }
    for word, found in cases.items():
        assert test.verdict({"table1": found})[0] == word
    two = claims.Claim("x", "y", (test, claims.Comparison("table1", "inside", "E1", "ours", 1)))
    assert two.verdict({"table1": record(a=far)})[0] == claims.MIXED
    assert claims.Claim("x", "y", (), "no votes").verdict({}) == (claims.UNTESTABLE, ["no votes"])


def test_every_claim_is_about_columns_and_metrics_that_exist():
    assert len(claims.CLAIMS) >= 20
    for claim in claims.CLAIMS:
        assert claim.comparisons or claim.untestable, claim.text
        for c in claim.comparisons:
            table = tables.TABLES[c.record]
            assert {c.variant, c.than} <= set(table.columns), c
            assert c.metric in table.metrics and c.sign in (-1, 1)


def test_the_papers_tables_are_whole():
    for name, table in paper.TABLES.items():
        for metric, values in table.values.items():
            assert len(values) == len(table.columns), (name, metric)
    votes = [
        t.values["user study, % of the votes"] for t in map(paper.TABLES.get, ("table1", "table2"))
    ]
    assert [round(sum(v)) for v in votes] == [100, 100]


def test_pages_set_the_papers_values_beside_ours():
    found = record(a={"ours": [0.25], "GaussCtrl": [0.125]}, b={"ours": [0.5], "GaussCtrl": [0.0]})
    page = table_page(tables.TABLES["table1"], found, "stkit reproduce table1")
    assert "73.3" in page and "0.375" in page and "abc1234" in page
    assert "[-0.5, -0.125]" in page, "GaussCtrl minus ours"
    everything = {name: Record(name) for name in tables.TABLES} | {"table1": found}
    assert claims_page(everything).count(f"**{claims.UNTESTABLE}**") >= 6


def test_a_request_names_every_head_once():
    with pytest.raises(RequestError, match="twice"):
        Request(heads=("synthetic", "synthetic"))
    with pytest.raises(RequestError, match="at least one head"):
        Request(heads=())
    assert head_name("/x/clip_a.mp4") == "clip_a" and head_name("synthetic:3") == "synthetic:3"


def test_records_sheets_and_pages_are_written_as_they_come(tmp_path, monkeypatch):
    def rows(road, request, columns):
        return {c: [{"inside": 0.1 * k} for k in range(request.seeds)] for c in columns}

    def figure(road, request):
        return figures.Figure(np.zeros((8, 8, 3), np.uint8), "black", "Nothing.")

    small = tables.Table("table1", {"ours": "ours"}, tables.EDITS, rows)
    monkeypatch.setattr(jobs, "TABLES", {"table1": small})
    monkeypatch.setattr(jobs, "FIGURES", {"figure4": figure})
    monkeypatch.setattr(jobs, "NAMES", ("table1", "figure4"))
    monkeypatch.setattr(jobs, "claims_page", lambda records: "verdicts")
    folder = tmp_path / "out"
    for head, pictures in (("synthetic", True), ("synthetic:3", False)):
        request = Request((head,), "quick", 2, editor="paint", folder=folder, pictures=pictures)
        said = []
        assert jobs.reproduce([], request, said.append) == folder / "quick" / "claims.md"
        assert said[0].startswith(f"{head}, table1")
    with pytest.raises(RequestError, match="take another folder"):
        jobs.reproduce([], replace(request, prompt="zombie"))
    folder = folder / "quick"
    found = json.loads((folder / "table1.json").read_text())
    assert list(found["rows"]) == ["synthetic", "synthetic:3"]
    assert found["origin"]["synthetic"]["profile"] == "quick"
    sheets = json.loads((folder / "figures.json").read_text())["figure4"]
    assert list(sheets) == ["synthetic"], "no picture where none may be shown"
    assert (folder / sheets["synthetic"]["file"]).exists()
    assert "![black]" in (folder / "figures.md").read_text()
    assert "--seeds 2" in (folder / "table1.md").read_text()


@pytest.mark.parametrize(
    ("prompt", "after"),
    [
        ("turn her into a clown", "a photo of a clown"),
        ("Please turn the person into a bronze statue.", "a photo of a bronze statue"),
        ("give the person red hair", "a photo of a person with red hair"),
        ("make him look old", "a photo of a person who is old"),
        ("as a watercolour", "a photo of a person, as a watercolour"),
    ],
)
def test_an_instruction_becomes_captions(prompt, after):
    assert captions(prompt) == (BEFORE, after)
