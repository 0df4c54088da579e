"""The columns of the lists of tasks' runs and of messages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.automation.areas import Area
from portal.automation.columns import figure
from portal.automation.history import lasted
from portal.automation.models import IN_FLIGHT, ActionMessage, RunState, TaskRun
from portal.listings.columns import Column
from portal.presentation import TASK_CAUSES, ago, duration, moment, state, word_of
from portal.sentences import say


def ending_of(run: TaskRun) -> Any:
    """What a run came to, or where it stands."""
    return RunState(run.state) if run.state in IN_FLIGHT else run.ending


def _ending(run: TaskRun) -> Markup:
    problem = Markup('<br><span class="text-secondary">{}</span>').format(say(run.problem)) if run.problem else ""
    return Markup("<span>{}{}</span>").format(state(ending_of(run)), problem)


def _seconds(run: TaskRun) -> Decimal | None:
    took = lasted(run)
    return None if took is None else round(Decimal(took.total_seconds()), 1)


RUNS = (
    Column("run", _l("Run number"), lambda run: run.id, classes="num", heads=True),
    Column("task", _l("Task"), lambda run: run.task.name),
    Column("started_by", _l("Started by"), lambda run: str(TASK_CAUSES.get(run.cause, run.cause))),
    Column(
        "outcome",
        _l("Outcome"),
        lambda run: word_of(ending_of(run)),
        _ending,
        beside=Column("problem", _l("Problem"), lambda run: say(run.problem)),
    ),
    Column("queued", _l("When"), lambda run: run.queued_at, lambda run: ago(run.queued_at)),
    Column("started", _l("Started"), lambda run: run.started_at, lambda run: ago(run.started_at), hidden=True),
    Column("ended", _l("Ended"), lambda run: run.ended_at, lambda run: ago(run.ended_at), hidden=True),
    Column("lasted", _l("Duration"), _seconds, lambda run: duration(lasted(run)), classes="num"),
    figure("processed", _l("Processed"), lambda run: run.processed),
    figure("warnings", _l("Warnings"), lambda run: run.warnings),
    figure("errors", _l("Errors"), lambda run: run.errors),
    figure("attempt", _l("Attempt"), lambda run: run.attempt, hidden=True),
    Column("worker", _l("Worker"), lambda run: run.worker, hidden=True),
)


def message_columns(area: Area) -> tuple[Column, ...]:
    """The columns of what a run of the area's actions has to say."""

    def action(message: ActionMessage) -> str:
        preset = area.preset(message.preset)
        return str(preset.label) if preset else message.preset

    return (
        Column("record", _l("Record"), lambda message: message.record or str(message.record_id), heads=True),
        Column("severity", _l("Severity"), lambda m: word_of(m.severity), lambda m: state(m.severity)),
        Column("action", _l("Action"), action),
        Column("message", _l("Message"), lambda message: say(message.text), classes="text-break"),
        Column("when", _l("When"), lambda message: message.written_at, lambda message: moment(message.written_at)),
    )
