"""A file is looked at before it is imported: what each line would do is shown first, and what was shown is done.

Between the two the text waits in Redis, one of each kind a user, so that no page carries it about.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Generic, TypeVar

from flask import Blueprint, render_template
from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from htmx_flask import request
from sqlalchemy import Integer, literal_column
from wtforms import BooleanField, FileField, HiddenField, TextAreaField

from portal.csv_files import MOST_BYTES, Column, Unreadable, decoded, read
from portal.errors import Refused
from portal.extensions import redis
from portal.lists import Filter, Sort, View, Window, one_of, page_of
from portal.scope import current_tenant_id
from portal.sentences import Sentence, sentence
from portal.typed import Form

KEPT_SECONDS = 3600

BY_LINE = Sort("line", (literal_column("line", Integer),))

Record = TypeVar("Record")


class Outcome(StrEnum):
    """What a line of a file does."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    PROBLEM = "problem"


OUTCOMES = {
    Outcome.NEW: ("waiting", _l("New")),
    Outcome.CHANGED: ("waiting", _l("Changed")),
    Outcome.SAME: ("off", _l("The same")),
    Outcome.PROBLEM: ("attention", _l("Problem")),
}
SHOWN = Filter("show", _l("Lines"), one_of(OUTCOMES), lambda outcome: OUTCOMES[outcome][1])


@dataclass(frozen=True)
class Change:
    """A field, what it is (None: there is no such record yet), and what it becomes."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Planned(Generic[Record]):
    """What a line would do, and the record that it says. One with a problem has none."""

    line: int
    key: str
    outcome: Outcome
    record: Record | None = None
    changes: tuple[Change, ...] = ()
    problem: Sentence | None = None


class FileRefused(Refused):
    """What was sent is no file that could be looked at."""


class Expired(Refused):
    """The file is no longer there."""


class UploadForm(Form):
    """A file, or what would stand in one."""

    file = FileField(_l("CSV file"))
    text = TextAreaField(_l("Or its lines, pasted here"), render_kw={"rows": 8, "spellcheck": "false"})

    def content(self) -> str:
        """What was sent. Raises FileRefused, Unreadable."""
        upload = request.files.get("file")
        content = upload.read(MOST_BYTES + 1) if upload and upload.filename else b""
        pasted = self.text.data or ""
        if content and pasted.strip():
            raise FileRefused(_("There are a file and pasted lines. Send one of the two."))
        if len(content) > MOST_BYTES or len(pasted.encode()) > MOST_BYTES:
            raise FileRefused(_("The file is larger than 5 MB. Divide it."))
        if not content and not pasted.strip():
            raise FileRefused(_("Choose a file or paste its lines."))
        return decoded(content) if content else pasted


class ImportForm(Form):
    """IMPORT, of what was shown."""

    seen = HiddenField()
    whole = BooleanField(_l("Import nothing as long as a line has a problem"))


def accept_files(bp: Blueprint, *endpoints: str) -> None:
    """Let forms of these endpoints be as large as a file may be: other forms are refused far below it."""
    full = {f"{bp.name}.{endpoint}" for endpoint in endpoints}

    # Before the token of the form is looked for, which reads it.
    @bp.url_value_preprocessor
    def _accept(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if endpoint in full:
            # So much more, that a file somewhat too large is refused in words at its field.
            request.max_content_length = 3 * MOST_BYTES
            request.max_form_memory_size = 3 * MOST_BYTES


def keep(kind: str, text: str) -> None:
    """Keep a file of the user for an hour, instead of one of this kind that is kept already."""
    redis().set(_place(kind), text.encode(), ex=KEPT_SECONDS)


def kept(kind: str) -> str:
    """The file that the user sent last. Raises Expired."""
    content = redis().get(_place(kind))
    if not isinstance(content, bytes):
        raise Expired(_("No file waits to be imported. It is kept for an hour; send it again."))
    return content.decode()


def forget(kind: str) -> None:
    redis().delete(_place(kind))


def take(kind: str, form: UploadForm, columns: Sequence[Column]) -> bool:
    """Keep what was sent if its lines can be read; else say at the field why not."""
    try:
        text = form.content()
        read(text, columns)
    except (FileRefused, Unreadable) as refused:
        field = form.text if (form.text.data or "").strip() else form.file
        field.errors = [str(refused)]
        return False
    keep(kind, text)
    return True


def may_run(form: ImportForm, planned: Sequence[Planned[Any]]) -> bool:
    """True if these lines may be imported as the form asks; else it says at the field why not."""
    if form.seen.data != digest(planned):
        form.seen.errors = [
            _("Nothing was imported: the file or what it meets has changed meanwhile. This is how it stands now.")
        ]
    elif form.whole.data and counts(planned)[Outcome.PROBLEM]:
        form.whole.errors = [_("Nothing was imported: some lines have a problem.")]
    return not form.errors


def counts(planned: Iterable[Planned[Any]]) -> Counter[Outcome]:
    """How many lines do what."""
    return Counter(line.outcome for line in planned)


def to_write(planned: Iterable[Planned[Record]]) -> list[Record]:
    """The records that are new or change."""
    return [
        line.record for line in planned if line.record is not None and line.outcome in (Outcome.NEW, Outcome.CHANGED)
    ]


def digest(planned: Iterable[Planned[Any]]) -> str:
    """Differs where anything that is shown of these lines does."""
    return hashlib.sha256(repr(list(planned)).encode()).hexdigest()


def done(planned: Iterable[Planned[Any]]) -> str:
    """What an import of these lines did, in a sentence."""
    number = counts(planned)
    return _(
        "Imported: %(new)s new, %(changed)s changed. %(same)s were the same; %(problem)s with a problem were left out.",
        **{outcome.value: format_decimal(number[outcome]) for outcome in Outcome},
    )


def preview_page(
    template: str,
    endpoint: str,
    planned: Sequence[Planned[Any]],
    form: ImportForm,
    route: Mapping[str, Any],
    **shown: Any,
) -> str:
    """The page that shows what each line would do, or the part of it that HTMX asks for.

    `endpoint` with `route` is where it stands; `shown` is what its template shows besides.
    """
    view = View.of_request(endpoint, lambda values: (BY_LINE,), (SHOWN,), **route)
    lines = [line for line in planned if view.get("show") in (None, line.outcome)]
    page = page_of(view, lambda window: _lines(lines, window), lambda line: (line.line,), len(lines))
    form.seen.data = digest(planned)
    fragment = request.htmx and not request.htmx.history_restore_request
    return render_template(
        "imports/_lines.html" if fragment else template,
        view=view,
        page=page,
        form=form,
        counts=counts(planned),
        outcomes=OUTCOMES,
        **shown,
    )


def twice(lines: Iterable[tuple[int, str]]) -> dict[str, Sentence]:
    """The keys that more than one line has, and what is said at each of these lines. `lines` are numbers and keys."""
    found: dict[str, list[int]] = {}
    for number, key in lines:
        found.setdefault(key, []).append(number)
    return {
        key: sentence("“%(key)s” stands in the file more than once: lines %(lines)s.", key=key, lines=_listed(numbers))
        for key, numbers in found.items()
        if len(numbers) > 1
    }


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")


def _lines(shown: Sequence[Planned[Any]], window: Window) -> list[Planned[Any]]:
    """As the database would read them: one more than the window shows, in its direction."""
    edge = window.key[0] if window.key else None
    falls = window.sort.descending != window.backwards
    ordered = reversed(shown) if falls else iter(shown)
    if edge is not None:
        ordered = (line for line in ordered if (line.line < edge if falls else line.line > edge))
    return list(islice(ordered, window.rows + 1))


def _place(kind: str) -> str:
    return f"kontor:import:{current_tenant_id()}:{current_user.id}:{kind}"
