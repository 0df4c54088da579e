"""How a number range writes its numbers, when it runs out, and when two would give out the same."""

from __future__ import annotations

from dataclasses import dataclass

# So many numbers before its end a range is said to run out.
LAST_CALL = 100
PREVIEWED = 3
MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Numbering:
    """A prefix, and numbers of so many digits from `next_number` to `last_number`, both included."""

    prefix: str
    digits: int
    next_number: int
    last_number: int

    @property
    def left(self) -> int:
        """How many numbers can still be drawn."""
        return max(0, self.last_number - self.next_number + 1)

    @property
    def runs_out(self) -> bool:
        return self.left <= LAST_CALL

    def written(self, number: int) -> str:
        """A number as it stands on a document or an address."""
        return f"{self.prefix}{number:0{self.digits}}"

    def preview(self) -> list[str]:
        """The next numbers, as far as there are any."""
        return [self.written(self.next_number + step) for step in range(min(PREVIEWED, self.left))]

    def meets(self, other: Numbering) -> bool:
        """True if both would give out the same number one day. Prefixes may hold digits: 1+0001 is 10001 too."""
        longer, shorter = (self, other) if len(self.prefix) >= len(other.prefix) else (other, self)
        rest = longer.prefix[len(shorter.prefix) :]
        if not longer.prefix.startswith(shorter.prefix) or len(rest) + longer.digits != shorter.digits:
            return False
        if rest and not (rest.isascii() and rest.isdigit()):
            return False
        before = int(rest or "0") * 10**longer.digits
        first, last = before + longer.next_number, before + longer.last_number
        return longer.left > 0 and shorter.left > 0 and first <= shorter.last_number and shorter.next_number <= last


def largest(digits: int) -> int:
    """The last number of so many digits."""
    return int(10**digits - 1)
