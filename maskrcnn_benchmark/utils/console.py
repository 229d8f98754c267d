"""What reaches the terminal: standard error that may go away, and text that cannot steer it."""

import os
import re
import sys

# Control characters but line feed and tab, line ends of other kinds, marks that turn the direction of text, halves of
# characters.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with every character that would steer a terminal, or that no file can hold, written out (`\\x1b`)."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


class StandardError:
    """
    sys.stderr, wherever it points now. A write that fails is dropped: a closed pipe or a lost terminal must not end a
    training, whose messages are in log.txt as well.
    """

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Writes, or drops the text where standard error is gone."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # gone, closed, or never opened (None)
            return 0
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """Whether a terminal shows it."""
        try:
            return sys.stderr.isatty()
        except (ValueError, AttributeError):
            return False

    def fileno(self) -> int:
        """Of sys.stderr, for the width of the terminal."""
        return sys.stderr.fileno()


stderr = StandardError()


def hold_standard_streams() -> None:
    """Opens closed standard streams onto nothing: else the next file to be opened would take their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one
