"""The columns of the list of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.automation.models import Run
from portal.listings.columns import Column
from portal.presentation import CAUSES, ago, beneath, number, state, word_of, words_of
from portal.sentences import say


def columns(platforms: Mapping[int, str]) -> tuple[Column, ...]:
    """`platforms` are the tenant's names, by id."""
    causes = words_of(CAUSES)
    return (
        Column("fetch", _l("Fetch"), lambda run: run.id, classes="num", heads=True),
        Column("platform", _l("Platform"), lambda run: platforms.get(run.platform_id, "–")),
        Column("started_by", _l("Started by"), lambda run: causes.get(run.cause, run.cause)),
        Column(
            "state",
            _l("State"),
            lambda run: word_of(run.state),
            _state,
            beside=Column("problem", _l("Problem"), lambda run: say(run.problem)),
        ),
        Column("when", _l("When"), _when, lambda run: ago(_when(run))),
        figure("orders", _l("Orders"), lambda run: run.orders),
        figure("new", _l("New"), lambda run: run.created),
        figure("changed", _l("Changed"), lambda run: run.changed),
        figure("held", _l("Held"), lambda run: run.held),
        figure("attempt", _l("Attempt"), lambda run: run.attempt),
    )


def figure(name: str, label: object, value: Callable[[Any], int], hidden: bool = False) -> Column:
    """A column of what a run counted."""
    return Column(name, label, value, lambda run: number(value(run)), classes="num", hidden=hidden)


def _when(run: Run) -> datetime:
    return run.ended_at or run.started_at or run.queued_at


def _state(run: Run) -> Markup:
    return Markup(f"<span>{state(run.state)}{beneath(run.problem)}</span>")  # noqa: S704 - escaped
