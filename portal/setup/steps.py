"""What has to be done until a platform's orders and reports travel by themselves, and how far it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal.automation.areas import Scope, ScopeKind
from portal.automation.models import IN_FLIGHT, Run, RunState, Task
from portal.credentials.models import Credential
from portal.platforms.creation import is_set_up
from portal.platforms.models import Connection, Platform
from portal.sentences import say
from portal.tenants.models import Role

# The presets (portal/platforms/actions.py) that a task runs once a platform is set up.
FETCH, UPLOAD = "download", "upload_statuses"


class StepState(StrEnum):
    """Where a step stands, as the database has it now."""

    DONE = "done"
    TODO = "todo"
    UNDER_WAY = "under_way"
    ATTENTION = "attention"  # it was done, or tried, and something is wrong with it
    WAITS = "waits"  # for an earlier one


@dataclass(frozen=True)
class Way:
    """Where a step is done, and from which role on: a page, or a button that sends `posts`."""

    label: str
    endpoint: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    role: Role = Role.ADMIN
    posts: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Step:
    """One of the steps. `at` is the time that the hint speaks of."""

    name: str
    label: str
    state: StepState
    hint: str = ""
    at: datetime | None = None
    way: Way | None = None
    other: Way | None = None  # the same by hand, where `way` is a button


@dataclass(frozen=True)
class Facts:
    """What the steps are read from. `tasks` holds, by preset, the platform's task that is furthest."""

    credential: Credential | None
    platform: Platform | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)
    run: Run | None = None  # the latest fetch
    consenting: bool = False  # somebody is at the marketplace's consent page


# What has to be done before a step makes sense.
NEEDS: Mapping[str, Sequence[str]] = {
    "platform": ("credential",),
    "creation": ("platform",),
    "connection": ("credential", "creation"),
    "reference": ("connection",),
    "status": ("platform",),
    "fetch": ("creation", "connection"),
    FETCH: ("fetch",),
    UPLOAD: ("fetch",),
}


LABELS = {
    "creation": _l("Document creation filled in"),
    "connection": _l("Connected to the marketplace"),
    "reference": _l("Reference in the cloud"),
    "status": _l("Address status chosen"),
    "fetch": _l("Orders fetched once"),
    FETCH: _l("Automation task for orders active"),
    UPLOAD: _l("Status upload active"),
}


def steps_of(facts: Facts) -> list[Step]:
    """The steps in their order. One that lacks an earlier one waits for it and offers nothing."""
    own = [_credential(facts), _platform(facts)]
    platform = facts.platform
    own += _of_platform(platform, facts) if platform is not None else _to_come()
    done = {step.name for step in own if step.state == StepState.DONE}
    return [
        replace(step, state=StepState.WAITS, way=None, other=None)
        if step.state == StepState.TODO and not done.issuperset(NEEDS.get(step.name, ()))
        else step
        for step in own
    ]


def covers(scope: Scope, platform: Platform) -> bool:
    """True where a scope of the area of platforms has this platform in it: what Area.ids would find."""
    if scope.kind == ScopeKind.SELECTION:
        return platform.id in scope.ids
    if scope.kind == ScopeKind.ALL:
        return True
    first, last = int(scope.first or 0), int(scope.last or platform.number)
    return first <= platform.number <= last and scope.platform in (None, platform.number)


def furthest(tasks: Sequence[Task]) -> Task | None:
    """The task that counts where several do the same: one that runs, else one that is locked, else one that is off."""

    def rank(task: Task) -> tuple[bool, bool, bool, int]:
        return (not task.active, task.locked_at is not None, not task.service.active, task.id)

    return min(tasks, key=rank, default=None)


def is_running(task: Task) -> bool:
    """True where the task starts by itself."""
    return task.active and task.locked_at is None and task.service.active


def _credential(facts: Facts) -> Step:
    label, credential = _("Credential tested"), facts.credential
    if credential is None:
        way = Way(_("New credential"), "credentials.new")
        return Step("credential", label, StepState.TODO, _("It opens the cloud."), way=way)
    way = Way(_("To the test"), "credentials.edit", {"id": credential.id})
    if credential.test_problem is not None:
        return Step("credential", label, StepState.ATTENTION, say(credential.test_problem), credential.tested_at, way)
    if credential.tested_at is None:
        hint = _("TEST asks the cloud whether it takes “%(name)s”.", name=credential.name)
        return Step("credential", label, StepState.TODO, hint, way=way)
    hint = _("“%(name)s”, tested", name=credential.name)
    return Step("credential", label, StepState.DONE, hint, credential.tested_at, way)


def _platform(facts: Facts) -> Step:
    label, platform = _("Platform named"), facts.platform
    if platform is None:
        hint, way = (
            _("Your account at the marketplace, under a name of yours."),
            Way(_("New platform"), "platforms.new"),
        )
        return Step("platform", label, StepState.TODO, hint, way=way)
    way = Way(_("Change"), "platforms.edit", {"id": platform.id})
    hint = f"{platform.number}: {platform.name} ({platform.marketplaces})"
    return Step("platform", label, StepState.DONE, hint, way=way)


def _of_platform(platform: Platform, facts: Facts) -> list[Step]:
    return [
        _creation(platform),
        _connection(platform, facts.consenting),
        _reference(platform),
        _status(platform),
        _fetch(platform, facts.run),
        _task(FETCH, platform, facts.tasks.get(FETCH)),
        _task(UPLOAD, platform, facts.tasks.get(UPLOAD)),
    ]


def _to_come() -> list[Step]:
    """The steps of a platform that is still to be made."""
    return [Step(name, _label(name), StepState.TODO) for name in NEEDS if name != "platform"]


def _creation(platform: Platform) -> Step:
    way = Way(_("Fill in"), "creation.show", {"id": platform.id})
    if is_set_up(platform):
        hint = _("Every order gets its payment, shipping and freight item.")
        return Step("creation", _label("creation"), StepState.DONE, hint, way=way)
    hint = _("Payment terms, payment method, shipping method and freight item: one is missing.")
    return Step("creation", _label("creation"), StepState.TODO, hint, way=way)


def _connection(platform: Platform, consenting: bool) -> Step:
    label = _label("connection")
    # Everybody may look at the connection; who may not connect finds no button there.
    way = Way(_("To the connection"), "platforms.show", {"id": platform.id, "_anchor": "connection"}, Role.CLERK)
    if platform.connection == Connection.AUTHENTICATED:
        hint = _("the seller %(seller)s agreed", seller=platform.seller_id or "")
        return Step("connection", label, StepState.DONE, hint, platform.authorized_at, way)
    if platform.connection == Connection.REVOKED:
        hint = say(platform.connection_problem or "") or _(
            "The marketplace has withdrawn the permission. Connect anew."
        )
        return Step("connection", label, StepState.ATTENTION, hint, way=way)
    if consenting:
        hint = _("The marketplace's consent page is open in another tab.")
        return Step("connection", label, StepState.UNDER_WAY, hint, way=way)
    way = replace(way, role=Role.ADMIN)
    hint = _("CONNECT leads to the marketplace's page. Agree there as the seller.")
    return Step("connection", label, StepState.TODO, hint, way=way)


def _reference(platform: Platform) -> Step:
    if platform.reference is not None:
        return Step("reference", _label("reference"), StepState.DONE, platform.reference)
    return Step("reference", _label("reference"), StepState.TODO, _("The cloud gives it at the first CONNECT."))


def _status(platform: Platform) -> Step:
    """A platform is never without one: the tenant's first, until somebody chooses another."""
    hint = _("New customers become “%(status)s”.", status=platform.address_status.name)
    way = Way(_("Change"), "creation.defaults", {"id": platform.id})
    return Step("status", _label("status"), StepState.DONE, hint, way=way)


def _fetch(platform: Platform, run: Run | None) -> Step:
    label = _label("fetch")
    page = Way(_("To the fetch"), "platforms.show", {"id": platform.id}, Role.CLERK)
    button = Way(_("Fetch orders"), "platforms.fetch", {"id": platform.id}, Role.CLERK, {})
    if platform.last_fetch_at is not None:
        return Step("fetch", label, StepState.DONE, _("last fetch"), platform.last_fetch_at, page)
    if run is not None and run.state in IN_FLIGHT:
        return Step("fetch", label, StepState.UNDER_WAY, way=page)
    if run is not None and run.state == RunState.FAILED:
        return Step("fetch", label, StepState.ATTENTION, say(run.problem or ""), run.ended_at, button)
    hint = _("It begins by itself once the platform is connected.")
    return Step("fetch", label, StepState.TODO, hint, way=button if platform.active else None)


def _task(preset: str, platform: Platform, task: Task | None) -> Step:
    label = _label(preset)
    if task is None:
        button = Way(_button(preset), "setup.create_task", {"id": platform.id}, posts={"preset": preset})
        scope = {"kind": ScopeKind.SELECTION.value, "ids": platform.id, "presets": preset}
        by_hand = Way(_("by the forms"), "actions.summary", {"area": "platforms", **scope})
        hint = _("A task that does it every quarter of an hour.")
        return Step(preset, label, StepState.TODO, hint, way=button, other=by_hand)
    page = Way(_("To the task"), "tasks.show", {"id": task.id}, Role.CLERK)
    if is_running(task):
        return Step(preset, label, StepState.DONE, task.name, way=page)
    if task.locked_at is not None:
        hint = _("The task “%(name)s” is locked.", name=task.name)
        return Step(preset, label, StepState.ATTENTION, hint, way=page)
    if task.active:
        hint = _("The task “%(name)s” waits: its service is stopped.", name=task.name)
        to_service = Way(_("To the service"), "services.show", {"id": task.service_id}, Role.CLERK)
        return Step(preset, label, StepState.ATTENTION, hint, way=to_service)
    hint = _("The task “%(name)s” is switched off.", name=task.name)
    return Step(preset, label, StepState.TODO, hint, way=Way(_("Switch it on"), "tasks.edit", {"id": task.id}))


def _label(name: str) -> str:
    return str(LABELS[name])


def _button(preset: str) -> str:
    return {FETCH: _("Fetch automatically"), UPLOAD: _("Upload automatically")}[preset]
