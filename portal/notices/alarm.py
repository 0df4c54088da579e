"""Alarms: what has come to a halt and asks for a person, wherever in the portal it is.

A part says so in its own `alarms.py` by a Source; the registry (portal/notices/registry.py) names these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# A source tells of no more than so many, the newest first.
MOST_ALARMS = 100

Identity = tuple[str, str, datetime]


@dataclass(frozen=True)
class Alarm:
    """Something that has come to a halt.

    `kind` is its source's, `key` the thing's own within it and `since` when it stopped: mended and stopped again,
    it is another alarm. `words` is a sentence, `detail` a further one for those who have the time, both as
    portal/sentences.py makes or keeps them; `link` the path of the page where it is put right.
    """

    kind: str
    key: str
    since: datetime
    words: str
    link: str
    detail: str = ""

    @property
    def identity(self) -> Identity:
        return self.kind, self.key, self.since


@dataclass(frozen=True)
class Source:
    """Where alarms of a kind come from: `alarms` asks for them by one statement, for the tenant in scope.

    `counted` names the count of portal/counts.py that is zero while there are none, so that pages need not ask.
    """

    kind: str
    label: Any
    counted: str
    alarms: Callable[[], Sequence[Alarm]]
