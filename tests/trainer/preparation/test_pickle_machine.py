"""A pickle is read, and nothing in it is executed; what cannot be data is refused, never a crash."""

import collections
import pickle
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError
from trainer.preparation.pickle_machine import read_pickle

CALLED: list[object] = []


def betray(*arguments: object) -> None:
    """What a hostile pickle would call."""
    CALLED.append(arguments)


class Hostile:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self) -> Any:
        call = self.function, self.arguments
        return call if self.state is None else (*call, self.state)


def written(folder: Path, content: object, protocol: int = 4) -> Path:
    path = folder / "data.pickle"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "?", "<i8", ">u2", "<f4", ">f8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_from_every_protocol(tmp_path: Path, protocol: int, dtype: str, order: Any) -> None:
    array = np.asarray(np.random.default_rng(0).integers(0, 2, (40, 3)), dtype, order=order)
    found: Any = read_pickle(written(tmp_path, {"a": [array, array], "b": "text", "c": (1, 2.5, None)}, protocol))
    np.testing.assert_array_equal(found["a"][0], array)
    np.testing.assert_array_equal(found["a"][1], array)
    assert (found["b"], found["c"]) == ("text", (1, 2.5, None))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_plain_containers_come_back(tmp_path: Path, protocol: int) -> None:
    content = {"list": [1, -(2**70), 0.5, True, False, None, b"bytes", "é" * 2000], 3: {}, b"k": (), "t": ((),)[0]}
    assert read_pickle(written(tmp_path, content, protocol)) == content


def test_an_ordered_dictionary_is_a_dictionary(tmp_path: Path) -> None:
    assert read_pickle(written(tmp_path, collections.OrderedDict(a=1, b=2))) == {"a": 1, "b": 2}


def test_names_of_both_generations_of_numpy_are_known(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    new = pickle.dumps(array, 2)
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert new != old
    np.testing.assert_array_equal(read_pickle(written(tmp_path, old)), array)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Hostile(betray, 1), "betray"),
        (Hostile(eval, "1"), "eval"),
        (Hostile(getattr, b"", "join"), "getattr"),
        (Hostile(np.load, "x"), "load"),
        (Hostile(np.frombuffer, b"1"), "frombuffer"),
        ({"image": Hostile(__import__("os").system, "exit 1")}, "system"),
        (Path("x"), "pathlib"),
        ({1, 2}, "set|EMPTY_SET|ADDITEMS"),
    ],
)
def test_whatever_a_pickle_asks_for_is_refused_by_its_name(
    tmp_path: Path, content: object, named: str, protocol: int
) -> None:
    with pytest.raises(DataFileError, match=named):
        read_pickle(written(tmp_path, content, protocol))
    assert not CALLED


@pytest.mark.parametrize(
    "content",
    [
        np.array([1, "a", None], object),
        np.array(["text"]),
        np.zeros(3, [("a", "i4")]),
        np.zeros(2, complex),
        np.array(["2020"], "M8[D]"),
    ],
    ids=["objects", "texts", "records", "complex", "dates"],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(DataFileError, match="refused"):
        read_pickle(written(tmp_path, content))


RECONSTRUCT = np.empty(0).__reduce__()[0]


@pytest.mark.parametrize(
    "state",
    [
        (1, (10**12,), np.dtype("u1"), False, b"12"),
        (1, (-1,), np.dtype("u1"), False, b"1"),
        (1, (2,), np.dtype("f8"), False, b"12345678"),
        (1, "shape", np.dtype("u1"), False, b"1"),
        (1, (1,), np.dtype("O"), False, [1]),
        (1, (1,), np.dtype("u1"), False, [1]),
        (1, (1,) * 9, np.dtype("u1"), False, b"1"),
        ("x",),
        {"shape": (5,)},
    ],
)
def test_an_array_with_a_forged_state_is_refused(tmp_path: Path, state: object) -> None:
    with pytest.raises(DataFileError, match="refused"):
        read_pickle(written(tmp_path, Hostile(RECONSTRUCT, np.ndarray, (0,), b"b", state=state)))


def test_a_forged_number_type_is_refused(tmp_path: Path) -> None:
    forged = Hostile(np.dtype, "V8", False, True, state=(3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 16))
    with pytest.raises(DataFileError, match="refused"):
        read_pickle(written(tmp_path, forged))


def op(name: str) -> bytes:
    return getattr(pickle, name)


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "text": b"no pickle at all\n",
        "no end": op("EMPTY_LIST"),
        "nothing on the stack": op("STOP"),
        "appends to nothing": op("NONE") + op("NONE") + op("APPEND") + op("STOP"),
        "a far memory": op("NONE") + op("LONG_BINPUT") + struct.pack("<I", 2**32 - 1) + op("GET") + b"1\n" + op("STOP"),
        "more bytes than there are": op("BINBYTES8") + struct.pack("<Q", 2**62) + b"1" + op("STOP"),
        "a frame beyond the end": op("PROTO") + b"\4" + op("FRAME") + struct.pack("<Q", 2**62) + op("STOP"),
        "a huge number": op("INT") + b"9" * 10000 + b"\n" + op("STOP"),
        "a persistent name": op("PERSID") + b"x\n" + op("STOP"),
        "an extension": op("EXT1") + b"\1" + op("STOP"),
        "an instance": op("MARK") + op("INST") + b"os\nsystem\n" + op("STOP"),
        "a new object": op("GLOBAL") + b"numpy\nndarray\n" + op("EMPTY_TUPLE") + op("NEWOBJ") + op("STOP"),
        "a name as a value": op("GLOBAL") + b"numpy\nndarray\n" + op("STOP"),
        "a state for nothing": op("NONE") + op("EMPTY_DICT") + op("BUILD") + op("STOP"),
        "a call of a number": op("BININT1") + b"\1" + op("EMPTY_TUPLE") + op("REDUCE") + op("STOP"),
        "a dictionary of half a pair": op("MARK") + op("NONE") + op("DICT") + op("STOP"),
        "no mark": op("NONE") + op("TUPLE") + op("STOP"),
        "a mark as the answer": op("MARK") + op("STOP"),
        "deep tuples": op("NONE") + op("TUPLE1") * 10**5 + op("STOP"),
        "a deep key": op("EMPTY_DICT") + op("NONE") + op("TUPLE1") * 10**5 + op("NONE") + op("SETITEM") + op("STOP"),
        "doubled tuples": op("NONE")
        + (op("BINPUT") + b"\0" + op("BINGET") + b"\0" + op("TUPLE2")) * 10**5
        + op("STOP"),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_a_broken_or_forged_program_is_refused(tmp_path: Path, content: tuple[str, bytes]) -> None:
    with pytest.raises(DataFileError):
        read_pickle(written(tmp_path, content[1]))


def test_deep_lists_neither_crash_nor_hang(tmp_path: Path) -> None:
    """Lists are finished as they are filled, so that depth costs nothing; they are let go without recursion too."""
    depth = 10**5
    found = read_pickle(written(tmp_path, op("EMPTY_LIST") * depth + op("APPEND") * (depth - 1) + op("STOP")))
    assert isinstance(found, list)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="check the path"):
        read_pickle(tmp_path / "none.pickle")


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_changed_bytes_give_data_or_a_refusal_and_nothing_else(tmp_path: Path, protocol: int) -> None:
    content = {f"{i}": {"image": np.ones((3, 4)), "masks": [np.ones((3, 4), np.uint8)], "uid": "1.2"} for i in range(3)}
    whole, chance, refused = pickle.dumps(content, protocol), random.Random(protocol), 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        cut = damaged[: chance.randint(0, len(damaged))] if chance.random() < 0.3 else damaged
        try:
            read_pickle(written(tmp_path, bytes(cut)))
        except DataFileError:
            refused += 1
    assert refused > 50  # most changes are noticed; none ends otherwise


def test_a_file_of_nothing_but_instructions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.preparation.pickle_machine._INSTRUCTIONS", 1000)
    with pytest.raises(DataFileError, match="instructions in 20002 bytes"):
        read_pickle(written(tmp_path, op("NONE") + (op("NONE") + op("POP")) * 10**4 + op("STOP")))
