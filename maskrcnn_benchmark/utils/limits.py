"""Limits on what a file may ask for, checked before memory is taken; environment variables set others."""

import os
from dataclasses import dataclass

from maskrcnn_benchmark.utils.errors import UserError

ALLOW_OUTSIDE = "DATA_ALLOW_OUTSIDE"


@dataclass(frozen=True)
class Limit:
    """The environment variable `name` sets another value than the default, in the same unit (a plural)."""

    name: str
    default: int
    unit: str

    @property
    def value(self) -> int:
        """The limit in force. UserError if the variable is no whole number above 0."""
        text = os.environ.get(self.name) or str(self.default)
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            raise UserError(
                f"environment variable {self.name}: expected a whole number of {self.unit} above 0, found {text!r}"
            )
        return int(text)

    def check(self, found: int, what: str, error: type[UserError] = UserError) -> None:
        """An error that names `what`, the limit and the variable, if `found` is beyond the limit."""
        if found > self.value:
            raise error(
                f"{what}: {found:,} {self.unit}, more than the {self.value:,} that are allowed; if it is meant to be so"
                f" large, set the environment variable {self.name}"
            )


# Of one image: 100 megapixels are 300 MB once decoded.
PIXELS = Limit("DATA_MAX_PIXELS", 100_000_000, "pixels")
# Of one array in an h5, npz or zip file, unpacked.
ARRAY_BYTES = Limit("DATA_MAX_ARRAY_BYTES", 2 << 30, "bytes")
# Of one line of a text file.
LINE_BYTES = Limit("DATA_MAX_LINE_BYTES", 1 << 20, "bytes")


def outside_allowed() -> bool:
    """Whether annotation files may point at files outside their data set's folder."""
    return os.environ.get(ALLOW_OUTSIDE, "") not in ("", "0")
