"""Marks: files say that a computer made them, and a changed or strange file is not believed."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stkit
from stkit.cli import main
from stkit.errors import MissingFileError, RequestError
from stkit.export.certificate import CHAIN, KEY, new_certificate, own_certificate
from stkit.export.marks import beside, mark, mark_folder, verify
from stkit.export.statement import DIGITAL_SOURCE, NOT_ASKED, Statement
from stkit.io.label import MIXED, SYNTHETIC, labelled
from stkit.io.video import read_video, write_video
from stkit.runs.consent import NOBODY, consent_of, settle_consent
from stkit.runs.run import Run
from stkit.runs.source import Source
from stkit.runs.store import Work

FRAMES = np.random.default_rng(0).integers(0, 255, (10, 64, 96, 3), dtype=np.uint8)
STATED = Statement(source="me.mp4", digest="abc", consent="I am the one", edit="a clown")


def written(name: str, folder):
    path = folder / name
    if name.endswith(".mp4"):
        write_video(path, FRAMES)
    elif name.endswith(".png"):
        Image.fromarray(FRAMES[0]).save(path)
    else:
        path.write_text("<!doctype html><p>a head" * 50)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "a.html", "a.glb", "a.ply"])
def test_a_mark_survives_and_a_change_is_seen(name, tmp_path):
    path = written(name, tmp_path)
    assert verify(path).known == "unknown"
    mark(path, STATED)
    verdict = verify(path)
    assert verdict.known == "marked" and verdict.ours
    assert verdict.statement == STATED.plain()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert verify(path).known == "changed"


def test_a_film_and_a_picture_still_play(tmp_path):
    film, picture = written("a.mp4", tmp_path), written("a.png", tmp_path)
    before = read_video(film, 10)[0]
    mark_folder(tmp_path, STATED)
    assert np.array_equal(read_video(film, 10)[0], before)
    assert np.array_equal(np.asarray(Image.open(picture)), FRAMES[0])


def test_c2pas_own_reader_finds_iptcs_term(tmp_path):
    import c2pa

    path = written("a.png", tmp_path)
    mark(path, STATED)
    with path.open("rb") as file, c2pa.Reader("image/png", file) as reader:
        manifest = json.dumps(reader.get_active_manifest())
    assert DIGITAL_SOURCE in manifest and "c2pa.created" in manifest


def test_another_machines_mark_is_read_but_is_not_ours(tmp_path, monkeypatch):
    folder, made = tmp_path / "theirs", new_certificate()
    folder.mkdir()
    (folder / CHAIN).write_text(made.chain)
    (folder / KEY).write_text(made.key)
    ours = os.environ["STKIT_CERTIFICATE"]
    paths = [written("a.png", tmp_path), written("a.ply", tmp_path)]
    monkeypatch.setenv("STKIT_CERTIFICATE", str(folder))
    for path in paths:
        mark(path, STATED)
    monkeypatch.setenv("STKIT_CERTIFICATE", ours)
    for path in paths:
        verdict = verify(path)
        assert verdict.known == "marked" and not verdict.ours


def test_a_certificate_with_our_number_and_another_key_is_not_ours(tmp_path, monkeypatch):
    """The number stands in every file that we sign; whoever copies it has not our key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    ours, theirs = own_certificate().leaf, ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder()
        .subject_name(ours.subject)
        .issuer_name(ours.issuer)
        .public_key(theirs.public_key())
        .serial_number(ours.serial_number)
        .not_valid_before(ours.not_valid_before_utc)
        .not_valid_after(ours.not_valid_after_utc)
        .sign(theirs, hashes.SHA256())
    )
    pem, folder = serialization.Encoding.PEM, tmp_path / "forged"
    folder.mkdir()
    (folder / CHAIN).write_bytes(forged.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / KEY).write_bytes(theirs.private_bytes(pem, *plain))
    path, before = written("a.ply", tmp_path), os.environ["STKIT_CERTIFICATE"]
    monkeypatch.setenv("STKIT_CERTIFICATE", str(folder))
    mark(path, STATED)
    monkeypatch.setenv("STKIT_CERTIFICATE", before)
    assert verify(path).known == "marked" and not verify(path).ours


def test_a_note_signed_by_nobody_is_not_believed(tmp_path):
    path = written("a.ply", tmp_path)
    mark(path, STATED)
    note = json.loads(beside(path).read_text())
    note["claim"]["statement"]["source"] = "somebody else"
    beside(path).write_text(json.dumps(note))
    assert verify(path).known == "changed"
    beside(path).write_text("[]")
    assert verify(path).known == "unknown"


def test_the_certificate_is_made_once_and_its_key_is_private(tmp_path, monkeypatch):
    monkeypatch.delenv("STKIT_CERTIFICATE")
    monkeypatch.setattr("stkit.export.certificate.user_config_path", lambda name: tmp_path / name)
    first, second = own_certificate(), own_certificate()
    assert first == second
    key = tmp_path / "stkit" / KEY
    assert "PRIVATE KEY" in key.read_text() and key.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("STKIT_CERTIFICATE", str(tmp_path / "empty"))
    with pytest.raises(MissingFileError, match="STKIT_CERTIFICATE"):
        own_certificate()


def test_reading_a_mark_makes_no_certificate_and_garbage_is_named(tmp_path, monkeypatch):
    path = written("a.ply", tmp_path)
    mark(path, STATED)
    monkeypatch.delenv("STKIT_CERTIFICATE")
    monkeypatch.setattr("stkit.export.certificate.user_config_path", lambda name: tmp_path / name)
    assert verify(path).known == "marked" and not (tmp_path / "stkit").exists()
    (tmp_path / "stkit").mkdir()
    (tmp_path / "stkit" / CHAIN).write_text("garbage")
    (tmp_path / "stkit" / KEY).write_text("garbage")
    with pytest.raises(RequestError, match="are no certificate"):
        mark(path, STATED)


def test_a_run_goes_on_where_nothing_can_be_signed(tmp_path, monkeypatch):
    def refuse():
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("stkit.export.marks.own_certificate", refuse)
    run, said = Run("plain", "synthetic", quiet=False), []
    monkeypatch.setattr(run, "say", said.append)
    work = Work(tmp_path)
    run._marked(lambda w: w.figure("head", FRAMES[0], "x", "y"))(work)
    assert (tmp_path / "head.png").exists() and "files are not signed" in said[0]


def test_the_label_can_be_seen_and_left_out(tmp_path):
    white = np.full((1, 60, 200, 3), 255, np.uint8)
    for word in (SYNTHETIC, MIXED):
        corner = labelled(white, word)[0, -14:, :60]
        assert corner.min() < 60 and corner.max() > 200
    assert labelled(white)[0, :40].min() == 255
    assert Work(tmp_path).labelled(white).min() < 60
    assert Work(tmp_path, labels=False).labelled(white).min() == 255
    Work(tmp_path).figure("head", white[0], "x", "y", label=SYNTHETIC)
    assert np.asarray(Image.open(tmp_path / "head.png")).min() < 60


def test_consent_is_stated_once_for_a_source_and_kept_in_the_run(tmp_path, capsys):
    film = tmp_path / "me.mp4"
    write_video(film, FRAMES)
    source = Source.parse(str(film))
    assert consent_of(source) == NOT_ASKED
    settle_consent(source, None)
    assert "--consent states it" in capsys.readouterr().out
    settle_consent(source, "It is  me.\nI agree.")
    settle_consent(source, None)
    assert capsys.readouterr().out == ""
    shutil.copy(film, tmp_path / "copy.mp4")
    assert consent_of(Source.parse(str(tmp_path / "copy.mp4"))) == "It is me. I agree."
    run = Run("me", str(film), quiet=True)
    run.remember()
    assert json.loads((run.folder / "run.json").read_text())["consent"] == "It is me. I agree."
    assert run.statement({}).consent == "It is me. I agree."
    assert consent_of(Source.parse("synthetic")) == NOBODY


def test_leaving_the_label_out_is_remembered_and_stated():
    run = Run("plain", "synthetic", quiet=True, labels=False)
    run.remember()
    again = Run("plain", quiet=True)
    assert again.labels is False and again.statement({}).labelled is False
    assert again.label_input and not Run("other", "synthetic", quiet=True).label_input


def test_verify_says_unknown_of_a_strangers_file(tmp_path, capsys):
    path = written("stranger.mp4", tmp_path)
    assert main(["verify", str(path)]) == 0
    assert "unknown" in capsys.readouterr().out
    mark(path, STATED)
    path.write_bytes(path.read_bytes()[:-200] + bytes(200))
    assert main(["verify", str(path)]) == 1
    assert "CHANGED" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none.png")]) == 2


def test_no_code_of_ours_unpickles_or_loads_with_torch():
    forbidden = re.compile(r"torch\.load\(|pickle\.loads?\(|allow_pickle=True")
    root = Path(stkit.__file__).parent
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if forbidden.search(line) and "`" not in line
    ]
    assert found == []
