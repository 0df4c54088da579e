"""The columns of the lists of tasks and of services."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from portal.automation.columns import figure
from portal.automation.kinds import called
from portal.automation.models import Service, Task
from portal.automation.services import Look, State
from portal.automation.tasks import Standing, standing_of
from portal.listings.columns import Column
from portal.presentation import moment, tone

STANDINGS = {Standing.ON: _l("On"), Standing.OFF: _l("Off"), Standing.LOCKED: _l("Locked")}
TONES = {Standing.ON: "done", Standing.OFF: "off", Standing.LOCKED: "failed"}


def of_tasks(starts: Callable[[Task], str]) -> tuple[Column, ...]:
    """`starts` says when a task starts, in words."""

    def standing(task: Task) -> Markup:
        at = standing_of(task)
        return tone(TONES[at], STANDINGS[at])

    return (
        Column("name", _l("Name"), lambda task: task.name, sort="name", heads=True),
        Column("starts", _l("Starts"), starts),
        Column("what", _l("What"), lambda task: ", ".join(map(called, task.actions))),
        Column("service", _l("Service"), lambda task: task.service.name),
        Column("next", _l("Next start"), lambda task: task.next_at, lambda task: moment(task.next_at), sort="next"),
        Column("state", _l("State"), lambda task: str(STANDINGS[standing_of(task)]), standing),
    )


def of_services(
    looks: Mapping[int, Look], tasks: Mapping[int, int], words: Callable[[Look], str], tones: Mapping[State, str]
) -> tuple[Column, ...]:
    """`looks` and the number of `tasks` by the services' ids; `words` and `tones` are those of a look's state."""
    running = {id: ", ".join(run.task.name for run in look.running) or "–" for id, look in looks.items()}

    def state(service: Service) -> Markup:
        look = looks[service.id]
        return tone(tones[look.state], words(look))

    return (
        Column("name", _l("Name"), lambda service: service.name, sort="name", heads=True),
        Column("state", _l("State"), lambda service: words(looks[service.id]), state),
        figure("workers", _l("Workers"), lambda service: len(looks[service.id].workers)),
        Column("runs", _l("Runs now"), lambda service: running[service.id]),
        figure("waits", _l("Waiting"), lambda service: len(looks[service.id].waiting)),
        figure("tasks", _l("Tasks"), lambda service: tasks.get(service.id, 0)),
    )
