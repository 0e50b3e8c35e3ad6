"""Pickles are read as data: plain values come back, and a small file cannot take hours."""

import multiprocessing
import os
import pickle

import numpy as np
import pytest

from stkit import face_models
from stkit.io.pickled_objects import Inert
from stkit.io.safe_pickle import load_npy, load_pickle
from stkit.io.untrusted import UnsafeFileError

DOUBLINGS = 40  # of a value: 2^40 elements from some 250 bytes; read one by one they take hours


def doubled(start: bytes, double: bytes) -> bytes:
    """A pickle of a value that is doubled again and again, each time shared rather than copied."""
    out = pickle.PROTO + b"\x02" + start
    for k in range(DOUBLINGS):
        out += pickle.BINPUT + bytes([k]) + double.replace(b"@", pickle.BINGET + bytes([k]))
    return out


TUPLES = doubled(pickle.EMPTY_TUPLE, b"@" + pickle.TUPLE2)
LISTS = doubled(pickle.EMPTY_LIST, pickle.POP + b"](@@e")
BOMBS = {
    "tuples": TUPLES + b".",
    "lists": LISTS + b".",
    "key": b"\x80\x02}" + TUPLES[2:] + b"K\x01s.",
    "set": b"\x80\x04\x8f(" + TUPLES[2:] + b"\x90.",
    "tuple by name": doubled(pickle.EMPTY_TUPLE, pickle.POP + b"c__builtin__\ntuple\n(](@@etR")
    + b".",
    "as an array": b"\x80\x02}X\x0a\x00\x00\x00v_template" + LISTS[2:] + b"s.",
    "shape": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01"
    + LISTS[2:]
    + b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R\x89C\x00tb.",
}


def read_here(path, result):
    try:
        face_models.get(f"flame:{path}")
    except ValueError as e:
        result.put(str(e))


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_is_refused_and_takes_no_hours(tmp_path, name):
    """In a process of its own, which can be ended whatever the reader does."""
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[name])
    context = multiprocessing.get_context("fork")
    result = context.Queue()
    process = context.Process(target=read_here, args=(path, result))
    process.start()
    process.join(60)
    ended = not process.is_alive()
    process.kill()
    assert ended and "bomb.pkl" in result.get(timeout=10)


def test_shared_values_are_read_once_and_stay_shared(tmp_path):
    shared = (1, np.arange(3))
    (tmp_path / "v.pkl").write_bytes(pickle.dumps([shared, {"again": shared}]))
    first, second = load_pickle(tmp_path / "v.pkl")
    assert first is second["again"] and first[1].tolist() == [0, 1, 2]


def test_sets_come_back_as_lists(tmp_path):
    for protocol in (2, 4):
        value = {"plain": {1, 2}, "frozen": frozenset([3])}
        (tmp_path / "v.pkl").write_bytes(pickle.dumps(value, protocol))
        back = load_pickle(tmp_path / "v.pkl")
        assert sorted(back["plain"]) == [1, 2] and back["frozen"] == [3]


def test_a_file_cannot_change_the_reader(tmp_path):
    """A state (BUILD) for one of the reader's own functions would stay for the next file."""
    attack = b"\x80\x02c_codecs\nencode\nN}X\x08\x00\x00\x00__name__X\x03\x00\x00\x00bads\x86b."
    (tmp_path / "v.pkl").write_bytes(attack)
    function = load_pickle(tmp_path / "v.pkl")
    assert function.__name__ != "bad"


def test_the_reader_keeps_what_is_data(tmp_path):
    value = {
        "a": np.arange(6).reshape(2, 3),
        "b": [np.float32(1.5), "text", None, (1, 2)],
        "c": np.asfortranarray(np.eye(3)),
        "d": np.array(["x", "yz"]),
    }
    for protocol in range(5):
        (tmp_path / "v.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
        back = load_pickle(tmp_path / "v.pkl")
        assert np.array_equal(back["a"], value["a"])
        assert np.array_equal(back["c"], value["c"])
        assert back["b"] == value["b"] and list(back["d"]) == ["x", "yz"]
    np.save(tmp_path / "v.npy", np.array(value, dtype=object), allow_pickle=True)
    assert np.array_equal(load_npy(tmp_path / "v.npy")["a"], value["a"])
    np.save(tmp_path / "plain.npy", np.eye(2))
    assert np.array_equal(load_npy(tmp_path / "plain.npy"), np.eye(2))


def test_objects_are_inert(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    (tmp_path / "e.pkl").write_bytes(pickle.dumps(Evil()))
    assert isinstance(load_pickle(tmp_path / "e.pkl"), Inert) and not (tmp_path / "ran").exists()
    with pytest.raises(FileNotFoundError, match=r"none\.pkl"):
        load_pickle(tmp_path / "none.pkl")
    (tmp_path / "cut.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(UnsafeFileError, match=r"cut\.pkl"):
        load_pickle(tmp_path / "cut.pkl")
