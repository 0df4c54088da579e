"""The columns of the lists of area actions and of their schemas."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.automation.columns import figure
from portal.automation.models import ActionRun, Schema
from portal.automation.registry import AREAS
from portal.listings.columns import Column, posting
from portal.presentation import address_of, ago, icon, state, word_of

# Which records a schema or a run means, in words.
Words = Callable[[Any], str]


def of_runs(words: Words) -> tuple[Column, ...]:
    return (
        Column("run", _l("Run number"), lambda run: run.id, classes="num", heads=True),
        Column("which", _l("Which"), words),
        Column("schema", _l("Schema"), lambda run: run.schema.name if run.schema else "–"),
        Column("state", _l("State"), lambda run: word_of(run.state), lambda run: state(run.state)),
        Column("when", _l("When"), _when, lambda run: ago(_when(run))),
        figure("records", _l("Records"), lambda run: run.done),
        figure("processed", _l("Processed"), lambda run: run.processed),
        figure("warnings", _l("Warnings"), lambda run: run.warnings),
        figure("errors", _l("Errors"), lambda run: run.errors),
    )


def of_schemas(words: Words, may_remove: bool) -> tuple[Column, ...]:
    """With the buttons that run a schema and, where the reader may, remove it."""
    run, remove = address_of("actions.run_schema"), address_of("actions.remove_schema")
    running, removing = posting(icon("player-play") + _("Run")), posting(_("Remove"))

    def buttons(schema: Schema) -> Markup:
        second = removing(remove(schema.id)) if may_remove else ""
        return Markup(f'<div class="btn-list">{running(run(schema.id))}{second}</div>')  # noqa: S704 - of buttons

    return (
        Column("name", _l("Name"), lambda schema: schema.name, sort="name", heads=True),
        Column("which", _l("Which"), words),
        Column("what", _l("What"), _what),
        Column("changed", _l("Changed"), lambda schema: schema.changed_at, lambda schema: ago(schema.changed_at)),
        Column("buttons", _l("Actions"), None, buttons, fixed=True),
    )


def _when(run: ActionRun) -> datetime:
    return run.ended_at or run.started_at or run.queued_at


def _what(schema: Schema) -> str:
    presets = [(AREAS[schema.area].preset(step["preset"]), step["preset"]) for step in schema.steps]
    return ", ".join(str(preset.label) if preset else name for preset, name in presets)
