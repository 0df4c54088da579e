"""What a run of a task came to so far, for whoever is told: as the text of an e-mail and as the body of a webhook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel import dates
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from sqlalchemy import select

from portal.automation.models import ActionKind, ActionMessage, ActionRun, Delivery, RunState, Schema, Severity, TaskRun
from portal.extensions import db
from portal.links import address_of_page
from portal.sentences import say
from portal.tenants.models import Tenant

# A report names so many messages, errors first; the page of the run has the others.
MOST_MESSAGES = 20


@dataclass(frozen=True)
class Done:
    """What an action of the run came to; "state" is done, failed, stopped or left_out."""

    position: int
    kind: str
    name: str
    state: str
    processed: int = 0
    warnings: int = 0
    errors: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Said:
    """A message: how bad it is, of which record, and its words."""

    severity: Severity
    record: str
    text: str
    at: datetime


@dataclass(frozen=True)
class Report:
    """A run of a task as it stands before the action that tells of it. Its words are in the language in force."""

    tenant: str
    task_id: int
    task: str
    run_id: int
    cause: str
    started_at: datetime
    processed: int
    warnings: int
    errors: int
    actions: Sequence[Done]
    messages: Sequence[Said]
    url: str

    @property
    def state(self) -> str:
        """ "errors", "warnings" or "ok"."""
        return "errors" if self.errors else "warnings" if self.warnings else "ok"


def doings_of(run: TaskRun) -> dict[int, ActionRun | Delivery]:
    """What the run has done so far, by the position of the action."""
    done: dict[int, ActionRun | Delivery] = {}
    for model in (ActionRun, Delivery):
        done |= {one.position: one for one in db.session.scalars(select(model).where(model.task_run_id == run.id))}
    return done


def names_in(run: TaskRun) -> list[str]:
    """What the actions in the run's plan are called, in order."""
    schemas = dict(db.session.execute(select(Schema.id, Schema.name)).all())
    return [planned.get("name") or schemas.get(planned["schema"], "–") for planned in run.plan]


def report_on(run: TaskRun) -> Report:
    """The report of a run, of the actions before the one in hand."""
    tenant = db.session.get_one(Tenant, run.tenant_id)
    children = doings_of(run)
    names = names_in(run)
    return Report(
        tenant=tenant.name,
        task_id=run.task_id,
        task=run.task.name,
        run_id=run.id,
        cause=run.cause,
        started_at=run.started_at or run.queued_at,
        processed=run.processed,
        warnings=run.warnings,
        errors=run.errors,
        actions=[
            _done(position, planned, children.get(position), names[position])
            for position, planned in enumerate(run.plan[: run.position])
        ],
        messages=_messages(run),
        url=address_of_page("tasks.show_run", id=run.id),
    )


def as_json(report: Report, key: str) -> dict[str, Any]:
    """The body of a webhook's call, as the README describes it. `key` is the same for each attempt."""
    return {
        "id": key,
        "kind": "task.reported",
        "tenant": report.tenant,
        "task": {"id": report.task_id, "name": report.task},
        "run": {
            "id": report.run_id,
            "cause": report.cause,
            "started_at": report.started_at.astimezone(UTC).isoformat(),
            "url": report.url,
        },
        "state": report.state,
        "counts": {"processed": report.processed, "warnings": report.warnings, "errors": report.errors},
        "actions": [
            {
                "position": done.position + 1,
                "kind": done.kind,
                "name": done.name,
                "state": done.state,
                "processed": done.processed,
                "warnings": done.warnings,
                "errors": done.errors,
                "problem": done.problem or None,
            }
            for done in report.actions
        ],
        "messages": [
            {
                "severity": said.severity.value,
                "record": said.record,
                "text": said.text,
                "at": said.at.astimezone(UTC).isoformat(),
            }
            for said in report.messages
        ],
    }


def subject_of(report: Report) -> str:
    words = {
        "errors": _("%(task)s: errors", task=report.task),
        "warnings": _("%(task)s: warnings", task=report.task),
        "ok": _("%(task)s: done", task=report.task),
    }
    return f"{words[report.state]} · {report.tenant}"


def as_text(report: Report, zone: ZoneInfo) -> str:
    """The text of a status e-mail."""
    lines = [
        _("%(task)s of %(tenant)s", task=report.task, tenant=report.tenant),
        _("Run %(run)s, started %(at)s", run=report.run_id, at=_moment(report.started_at, zone)),
        report.url,
        "",
        counts_in_words(report.processed, report.warnings, report.errors),
    ]
    if report.errors:
        lines.append(_("The task is locked when this run ends, until somebody unlocks it."))
    if report.actions:
        lines += ["", _("Actions")]
    lines += [f"  {done.position + 1}. {done.name}: {_came_to(done)}" for done in report.actions]
    if report.messages:
        lines += ["", _("Messages")]
    for said in report.messages:
        severity = _("Error") if said.severity == Severity.ERROR else _("Warning")
        lines.append(f"  {severity} · {said.record or '–'}: {said.text}")
    if len(report.messages) == MOST_MESSAGES:
        lines.append("  " + _("There may be more: see the page of the run."))
    return "\n".join(lines) + "\n"


def counts_in_words(processed: int, warnings: int, errors: int) -> str:
    return ", ".join(
        (
            ngettext("%(num)d processed", "%(num)d processed", processed),
            ngettext("%(num)d warning", "%(num)d warnings", warnings),
            ngettext("%(num)d error", "%(num)d errors", errors),
        )
    )


def _done(position: int, planned: Mapping[str, Any], child: ActionRun | Delivery | None, name: str) -> Done:
    kind = planned.get("kind", ActionKind.SCHEMA.value)
    if child is None:
        return Done(position, kind, name, "left_out")
    errors = child.errors + (child.state == RunState.FAILED) if isinstance(child, ActionRun) else 0
    problem = say(child.problem)
    return Done(position, kind, name, child.state.value, child.processed, child.warnings, errors, problem)


def _messages(run: TaskRun) -> list[Said]:
    found = db.session.scalars(
        select(ActionMessage)
        .join(ActionRun, ActionRun.id == ActionMessage.action_run_id)
        .where(ActionRun.task_run_id == run.id)
        .order_by(ActionMessage.severity, ActionMessage.id)
        .limit(MOST_MESSAGES)
    )
    return [Said(message.severity, message.record, say(message.text), message.written_at) for message in found]


def _came_to(done: Done) -> str:
    if done.state == "left_out":
        return _("left out")
    words = counts_in_words(done.processed, done.warnings, done.errors)
    return f"{words}. {done.problem}" if done.problem else words


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return dates.format_datetime(at, "medium", zone, str(get_locale() or "en"))
