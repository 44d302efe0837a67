"""A pickle read without executing anything that it names.

A pickle is a program for a small stack machine, and two of its instructions call whatever Python object it names:
that is how a data file runs commands. This machine knows the instructions that build numbers, texts, lists, tuples,
dictionaries and arrays, and calls nothing. Where numpy's own pickles ask for a function, their name is looked up in a
short list, and what the function would do is done here, with every argument checked: numpy sees plain bytes and a
plain number type alone. Any other name, and any other instruction, is refused.

What a small hostile file could still do is to grow. Lengths are believed only as far as the file reaches, instructions
are counted, keys are texts, bytes or whole numbers (so that nothing deep is ever hashed), and bytes that became an
array are let go, so that an array costs what it holds.
"""

import math
import os
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError

_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError)
_INSTRUCTIONS, _BYTES_PER_INSTRUCTION = 2**20, 32  # an honest file has hundreds of bytes for each of its instructions
_LONG = 1024  # bytes and texts above this length are released once they are an array
_MAX_AXES = 4
_KINDS = "biuf"

_ROOMS = {  # where numpy keeps a name in its versions
    "numpy": "numpy",
    "numpy.core.multiarray": "numpy",
    "numpy._core.multiarray": "numpy",
    "numpy.core.numeric": "numpy",
    "numpy._core.numeric": "numpy",
    "_codecs": "_codecs",
    "collections": "collections",
}
_ADMITTED = {
    "numpy._reconstruct",
    "numpy._frombuffer",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.scalar",
    "_codecs.encode",
    "collections.OrderedDict",
}


class _Refused(Exception):
    """What a pickle asks for and does not get; the reason as a clause."""


@dataclass(slots=True, eq=False)
class _Name:
    """A name that the pickle gives, of the admitted ones."""

    name: str


@dataclass(slots=True, eq=False)
class _Type:
    """A plain number type, e.g. f8, and the order of its bytes."""

    code: str
    order: str = "="


@dataclass(slots=True, eq=False)
class _Payload:
    """Long bytes or a long text, until they become an array."""

    content: bytes | bytearray | str | None


@dataclass(slots=True, eq=False)
class _Array:
    """An array, empty until the pickle hands in its contents."""

    values: NDArray[Any] | None = None


@dataclass(slots=True)
class _File:
    """A file whose end is known, so that nobody asks for more than there is."""

    file: BinaryIO
    size: int

    def read(self, count: int) -> bytes:
        return self.file.read(min(count, self.size))

    def readline(self) -> bytes:
        return self.file.readline()

    def tell(self) -> int:
        return self.file.tell()


_MARK = object()


@dataclass(slots=True)
class _Machine:
    """The stack and the memory of a pickle."""

    stack: list[Any] = field(default_factory=list[Any])
    memo: dict[int, Any] = field(default_factory=dict[int, Any])

    def since_mark(self) -> list[Any]:
        """Take off all that lies above the topmost mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise _Refused("its stack has no mark")
        items, self.stack[at:] = self.stack[at + 1 :], []
        return items

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _VALUES:
            self.stack.append(_held(argument))
        elif name in _DEEDS:
            _DEEDS[name](self, argument)
        else:
            raise _Refused(f"it has the instruction {name}, which no data needs")


def read_pickle(path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> object:
    """What a pickle holds: numbers, texts, bytes, lists, tuples, dictionaries and numeric arrays in them.

    Args:
        path: The file.
        progress: Called now and then with bytes read and bytes in all.

    Raises:
        DataFileError: If the file is missing, damaged, or asks for anything else.
    """
    if not os.path.isfile(path):
        raise DataFileError(f"there is no file at {path}; check the path")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in texts, which are no matter
            return _run(_File(file, os.fstat(file.fileno()).st_size), progress)
    except _Refused as reason:
        raise DataFileError(
            f"{path} is refused: {reason}; only arrays of numbers in plain lists and dictionaries are read, "
            "and nothing is executed: save it again as such, or as HDF5"
        ) from None
    except _DAMAGE as error:
        raise DataFileError(f"{path} is no readable pickle ({error}); fetch or write it again") from error


def _run(file: _File, progress: Callable[[int, int], None]) -> object:
    machine, allowed = _Machine(), _INSTRUCTIONS + file.size // _BYTES_PER_INSTRUCTION
    for count, (instruction, argument, place) in enumerate(pickletools.genops(cast(BinaryIO, file))):
        if count > allowed:
            raise _Refused(f"it has more than {allowed} instructions in {file.size} bytes")
        if count % 2**13 == 0:
            progress(place or 0, file.size)
        if instruction.name == "STOP":
            progress(file.size, file.size)
            return _finished(machine.stack.pop())
        machine.step(instruction.name, argument)
    raise _Refused("it has no end")


def _held(value: object) -> object:
    return _Payload(value) if isinstance(value, bytes | bytearray | str) and len(value) > _LONG else value


def _bare(value: object) -> bytes | bytearray | str:
    """The bytes or the text that an array is made of; long ones can be had once."""
    if not isinstance(value, _Payload):
        if not isinstance(value, bytes | bytearray | str):
            raise _Refused(f"an array is made of a {type(value).__name__}")
        return value
    content, value.content = value.content, None
    if content is None:
        raise _Refused("two arrays are made of the same bytes")
    return content


def _finished(value: object) -> object:
    """A value as the caller sees it."""
    if isinstance(value, _Array):
        if value.values is None:
            raise _Refused("it has an array without contents")
        return value.values
    if isinstance(value, _Payload):
        return value.content
    if isinstance(value, _Name | _Type) or value is _MARK:
        raise _Refused(f"it holds {value.name if isinstance(value, _Name) else 'a type'} as a value")
    if isinstance(value, tuple):
        items = cast(tuple[object, ...], value)
        if any(isinstance(item, tuple) for item in items):  # nested and shared, they would take for ever to finish
            raise _Refused("it holds a tuple in a tuple")
        return tuple(map(_finished, items))
    return value


def _admitted(module: object, name: object) -> _Name:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise _Refused("it names something without a text")
    short = f"{_ROOMS.get(module, '?')}.{name}"
    if short not in _ADMITTED:
        raise _Refused(f"it asks for {(module + '.' + name)[:80]!r}")
    return _Name(short)


def _set_item(target: object, key: object, value: object) -> None:
    if not isinstance(target, dict):
        raise _Refused(f"it puts items into a {type(target).__name__}")
    if not isinstance(key, str | bytes | int):
        raise _Refused(f"a dictionary has a key that is a {type(key).__name__}")
    cast(dict[object, object], target)[key] = _finished(value)


def _dictionary(target: object, items: list[Any]) -> object:
    if len(items) % 2:
        raise _Refused("a dictionary has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        _set_item(target, key, value)
    return target


def _extend(target: object, items: list[Any]) -> None:
    if not isinstance(target, list):
        raise _Refused(f"it appends to a {type(target).__name__}")
    cast(list[object], target).extend(map(_finished, items))


def _reduce(machine: _Machine) -> object:
    """What numpy's functions would have made of their arguments."""
    arguments, function = machine.stack.pop(), machine.stack.pop()
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise _Refused("it calls what is no function")
    match function.name, cast(tuple[Any, ...], arguments):
        case "numpy._reconstruct", (_Name(name="numpy.ndarray"), *_):
            return _Array()
        case "numpy._frombuffer", (content, _Type() as kind, shape, "C" | "F" as order):
            return _Array(_array(content, kind, shape, order))
        case "numpy.dtype", (str() as code, *_):
            return _number_type(code)
        case "numpy.scalar", (_Type() as kind, content):
            return _array(content, kind, (), "C").item()
        case "_codecs.encode", (str() | _Payload() as text, "latin1" | "latin-1" as coding):
            return _held(cast(str, _bare(text)).encode(coding))
        case "collections.OrderedDict", ():
            return {}
        case _:
            raise _Refused(f"it calls {function.name} in a way that no array needs")


def _number_type(code: str) -> _Type:
    if len(code) > 4 or code.lstrip("<>=|")[:1] not in tuple(_KINDS) or not code.lstrip("<>=|")[1:].isdecimal():
        raise _Refused(f"it has an array of {code[:20]!r}, which are no numbers")
    plain = np.dtype(code)
    return _Type(plain.str[1:], code[0] if code[0] in "<>" else "=")


def _build(machine: _Machine) -> None:
    """Hand its contents to an array, or the order of bytes to a type."""
    state, target = machine.stack.pop(), machine.stack[-1]
    match target, state:
        case _Type(), (int(), str() as order, None, None, None, *_) if order in ("<", ">", "=", "|"):
            target.order = "=" if order == "|" else order
        case _Array(values=None), (int(), shape, _Type() as kind, bool() | int() as fortran, content):
            target.values = _array(content, kind, shape, "F" if fortran else "C")
        case _:
            raise _Refused("it changes an object in a way that no array needs")


def _array(content: object, kind: _Type, shape: object, order: str) -> NDArray[Any]:
    """Numbers from plain bytes, floats in 32 bits."""
    if not (isinstance(shape, tuple) and len(shape := cast(tuple[Any, ...], shape)) <= _MAX_AXES):
        raise _Refused("an array has no plain shape")
    if not all(isinstance(side, int) and 0 <= side < 2**31 for side in shape):
        raise _Refused("an array has a shape of no whole numbers")
    raw = _bare(content)
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    dtype = np.dtype(kind.code).newbyteorder(cast(Any, kind.order))
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise _Refused(f"an array of shape {shape} and type {kind.code} has {len(raw)} bytes")
    values = np.frombuffer(raw, dtype).reshape(shape, order=cast(Any, order))
    if dtype.kind == "b":  # a boolean of another byte than 0 and 1 is no boolean
        return np.frombuffer(raw, np.uint8).reshape(shape, order=cast(Any, order)) != 0
    with np.errstate(all="ignore"):  # what is too large for 32 bits becomes infinite, and is refused as such
        return values.astype(np.float32 if dtype.kind == "f" else dtype.newbyteorder("="))


def _remember(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _append(machine: _Machine, _: object) -> None:
    value = machine.stack.pop()
    _extend(machine.stack[-1], [value])


def _appends(machine: _Machine, _: object) -> None:
    items = machine.since_mark()
    _extend(machine.stack[-1], items)


def _set_one(machine: _Machine, _: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set_item(machine.stack[-1], key, value)


def _set_several(machine: _Machine, _: object) -> None:
    items = machine.since_mark()
    _dictionary(machine.stack[-1], items)


def _named(machine: _Machine, argument: str) -> None:
    machine.stack.append(_admitted(*argument.split(" ", 1)))


def _named_on_stack(machine: _Machine, _: object) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_admitted(module, name))


def _tuple(length: int) -> Callable[[_Machine, object], None]:
    def take(machine: _Machine, _: object) -> None:
        items = [machine.stack.pop() for _ in range(length)][::-1]
        machine.stack.append(tuple(items))

    return take


_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": lambda: [],
    "EMPTY_TUPLE": lambda: (),
    "EMPTY_DICT": lambda: {},
    "MARK": lambda: _MARK,
}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_VALUES = _NUMBERS | _TEXTS | {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_DEEDS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "POP": lambda machine, _: machine.stack.__delitem__(-1),
    "POP_MARK": lambda machine, _: machine.since_mark().clear(),
    "PUT": _remember,
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "MEMOIZE": lambda machine, _: _remember(machine, len(machine.memo)),
    "GET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LIST": lambda machine, _: machine.stack.append([_finished(item) for item in machine.since_mark()]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "DICT": lambda machine, _: machine.stack.append(_dictionary({}, machine.since_mark())),
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_one,
    "SETITEMS": _set_several,
    "GLOBAL": _named,
    "STACK_GLOBAL": _named_on_stack,
    "REDUCE": lambda machine, _: machine.stack.append(_reduce(machine)),
    "BUILD": lambda machine, _: _build(machine),
}
