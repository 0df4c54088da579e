"""What people type, before a form looks at it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectChoice

from portal.errors import Refused

# As many digits as a number needs here, and no more than any column holds.
WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")


class Form(FlaskForm):
    """A form that reads the fields of a form and nothing else: files and JSON would bring values of any type."""

    def __init__(self, **options: Any) -> None:
        if request.method == "POST":
            options.setdefault("formdata", request.form)
        super().__init__(**options)

    def validate(self, *arguments: Any, **options: Any) -> bool:
        """Of what cannot be read nothing more is said, such as that it is not within the bounds."""
        valid: bool = super().validate(*arguments, **options)
        for field in self:
            if field.process_errors and any(field.raw_data or ()):
                field.errors = list(field.process_errors)
        return valid

    def accepts(self, act: Callable[[], object]) -> bool:
        """Do this with what was typed. False where that makes no sense or is refused: then the fields say why."""
        if not self.validate_on_submit():
            return False
        try:
            act()
        except Refused as refused:
            self.say(refused)
            return False
        return True

    def say(self, refused: Refused) -> None:
        """Say at its field why what was typed is refused. Raises the refusal where it belongs to none of them."""
        if refused.field not in self:
            raise refused
        self[refused.field].errors = [str(refused)]


class WholeField(IntegerField):
    """A whole number as people write it: not all that Python reads as one (1_000), nor one without an end."""

    data: Any

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist and not WHOLE.fullmatch(valuelist[0]):
            self.data = None
            raise ValueError(self.gettext("Not a valid integer value."))
        super().process_formdata(valuelist)


def choices(of: Iterable[tuple[Any, Any]]) -> list[SelectChoice]:
    """What a SelectField offers: pairs of value and label."""
    return [SelectChoice(value, label) for value, label in of]


def one_line(typed: str | None) -> str | None:
    """Without spaces around it and without control characters, of which PostgreSQL refuses one outright."""
    if typed is None:
        return None
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in typed).strip()


def local_path(typed: str | None) -> str | None:
    """The address if it stays on this site, else None: a sign-in page must not lead elsewhere."""
    if not typed or not typed.startswith("/") or typed.startswith("//") or "\\" in typed:
        return None
    if any(unicodedata.category(letter) == "Cc" for letter in typed):  # browsers drop tabs and line ends
        return None
    return typed
