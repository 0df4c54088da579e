"""How a number range writes its numbers, when it runs out, and when two would give out the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

# So many numbers before its end a range is said to run out.
LAST_CALL = 100
PREVIEWED = 3
MOST_DIGITS = 12

# Where the year stands in the prefix of numbers that begin anew each year, and with which number they begin.
YEAR_PLACES = {"{YYYY}": 4, "{YY}": 2}
FIRST_OF_YEAR = 1
# The years that documents may be of, for the question whether two ranges meet one day.
YEARS = range(1990, 2201)


@dataclass(frozen=True, slots=True)
class Numbering:
    """A prefix, and numbers of so many digits from `next_number` to `last_number`, both included.

    Where they begin anew each year, these are the numbers of `year`, which stands in the prefix.
    """

    prefix: str
    digits: int
    next_number: int
    last_number: int
    year: int | None = None

    @property
    def left(self) -> int:
        """How many numbers can still be drawn."""
        return max(0, self.last_number - self.next_number + 1)

    @property
    def runs_out(self) -> bool:
        return self.left <= LAST_CALL

    @property
    def written_prefix(self) -> str:
        if self.year is None:
            return self.prefix
        return self.prefix.replace("{YYYY}", f"{self.year:04}").replace("{YY}", f"{self.year % 100:02}")

    def written(self, number: int) -> str:
        """A number as it stands on a document or an address."""
        return f"{self.written_prefix}{number:0{self.digits}}"

    def read(self, typed: str) -> int | None:
        """The number that is meant by what somebody typed, with its prefix or without; None if it is none."""
        digits = typed.strip().upper().removeprefix(self.written_prefix.upper())
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else None

    def preview(self) -> list[str]:
        """The next numbers, as far as there are any."""
        return [self.written(self.next_number + step) for step in range(min(PREVIEWED, self.left))]

    def meets(self, other: Numbering) -> bool:
        """True if both would give out the same number one day. Prefixes may hold digits: 1+0001 is 10001 too."""
        theirs = other._spans()
        return any(
            first <= their_last and their_first <= last
            for shape, spans in self._spans().items()
            for first, last in spans
            for their_first, their_last in theirs.get(shape, ())
        )

    def _spans(self) -> dict[tuple[str, int], list[tuple[int, int]]]:
        """First and last numbers, of each year there may be, by what stands before all digits and how many follow."""
        spans: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for numbering in self._of_each_year():
            if numbering.left:
                prefix = numbering.written_prefix
                stem = prefix.rstrip("0123456789")
                digits = len(prefix) - len(stem) + self.digits
                before = int(prefix[len(stem) :] or "0") * 10**self.digits
                span = before + numbering.next_number, before + numbering.last_number
                spans.setdefault((stem, digits), []).append(span)
        return spans

    def _of_each_year(self) -> list[Numbering]:
        if self.year is None:
            return [self]
        return [
            self if year == self.year else replace(self, year=year, next_number=FIRST_OF_YEAR)
            for year in {*YEARS, self.year}
        ]


def largest(digits: int) -> int:
    """The last number of so many digits."""
    return int(10**digits - 1)


def places_of_year(prefix: str) -> int:
    """How often a year stands in a prefix."""
    return sum(prefix.count(place) for place in YEAR_PLACES)
