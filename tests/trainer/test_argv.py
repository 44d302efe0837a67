"""One option, several values."""

import pytest

from trainer.argv import spread


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--data", "a", "b", "--out", "c"], ["--data", "a", "--data", "b", "--out", "c"]),
        (["w", "--readings", "4", "16"], ["w", "--readings", "4", "--readings", "16"]),
        (["--data", "a", "--data", "b"], ["--data", "a", "--data", "b"]),
        (["--data", "--out", "c"], ["--data", "--out", "c"]),
        (["--out", "c", "d"], ["--out", "c", "d"]),
        (["--data", "a", "a"], ["--data", "a", "--data", "a"]),
        (["--data"], ["--data"]),
    ],
)
def test_each_value_gets_the_options_name(words: list[str], expected: list[str]) -> None:
    assert spread(words, {"--data", "--readings"}) == expected
