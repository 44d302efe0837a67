"""Options that take several values after one name: ``--data a.h5 b.h5``, ``--readings 4 16``."""

from collections.abc import Collection, Sequence


def spread(argv: Sequence[str], options: Collection[str]) -> list[str]:
    """Repeat an option's name before each of its values, which is the form that click understands.

    ``--data a b --out c`` becomes ``--data a --data b --out c`` for ``options={"--data"}``.
    A list of values ends at the next word that begins with ``-``.
    """
    result: list[str] = []
    option: str | None = None  # the one whose values are being read
    for word in argv:
        if word in options:
            option = word
            result.append(word)
        elif word.startswith("-"):
            option = None
            result.append(word)
        elif option is not None and result[-1] != option:
            result += [option, word]
        else:
            result.append(word)
    return result
