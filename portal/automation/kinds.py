"""The kinds of actions that a task may have. A further kind is an entry of KINDS, and a word in ActionKind.

Its fields, where it asks for something new, are lists of TaskForm (task_forms.py) of the same names; the form,
the pages and the runs know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from wtforms import ValidationError

from portal import mail, webhooks
from portal.automation import actions, choosing, deliveries
from portal.automation.areas import Scope, Step
from portal.automation.models import ActionKind, ActionRun, Condition, RunState, Schema, TaskAction, TaskRun
from portal.automation.registry import AREAS
from portal.errors import Refused
from portal.extensions import db

MOST_RECIPIENTS = 10
LONGEST_URL = 500
SHORTEST_SECRET = 16  # as of the cloud's own webhooks
LONGEST_SECRET = 200


@dataclass(frozen=True)
class Planned:
    """An action of a task: of a schema its id, of the other kinds their settings, and when it runs.

    `secret` is a webhook's in plain text, None to keep the one that `kept_secret` holds sealed.
    """

    schema_id: int | None
    condition: Condition = Condition.ALWAYS
    kind: ActionKind = ActionKind.SCHEMA
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    secret: str | None = None
    kept_secret: bytes | None = None


@dataclass(frozen=True)
class CameTo:
    """What a run counts of an action."""

    processed: int
    warnings: int
    errors: int


class Wrong(ValidationError):
    """What was typed in a field of an action makes no sense."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class Read(Protocol):
    """Reads what was typed in a kind's fields, by their names; `present` is the action the row was filled from.

    Returns what Planned takes of it, None for a row that is left empty. Raises Wrong.
    """

    def __call__(self, typed: Mapping[str, Any], present: TaskAction | None) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Kind:
    """A kind of action.

    `fill` is `read` the other way round; `about` is what an action without a name is called, in every language;
    `details` what its task's page says of it besides.
    `carry_out` does the action in hand, or goes on with it where a worker died; it returns None
    where there is nothing to do any more.
    """

    label: Any
    fields: tuple[str, ...]
    read: Read
    fill: Callable[[TaskAction], dict[str, Any]]
    about: Callable[[TaskAction], str]
    carry_out: Callable[[TaskRun, Mapping[str, Any]], CameTo | None]
    details: Callable[[TaskAction], str] = lambda action: ""


def called(action: TaskAction) -> str:
    """What an action is called: by its name, else by what it is about."""
    return action.name or KINDS[action.kind].about(action)


def kind_of(planned: Mapping[str, Any]) -> ActionKind:
    """The kind of an action in a run's plan. Before there were kinds, all were schemas."""
    return ActionKind(planned.get("kind", ActionKind.SCHEMA))


def _read_schema(typed: Mapping[str, Any], present: TaskAction | None) -> dict[str, Any] | None:
    place, id = (typed["areas"] or choosing.ALL, typed["functions"] or choosing.ALL), typed["schemas"]
    if not id:
        taken_out = present is not None and present.schema is not None and place == choosing.place_of(present.schema)
        if any(place) and not taken_out:
            raise Wrong("schemas", _("Choose the schema that is run."))
        return None
    if fault := choosing.fault(db.session.get_one(Schema, id), *place):
        raise Wrong("schemas", fault)
    return {"schema_id": id}


def _fill_schema(action: TaskAction) -> dict[str, Any]:
    if action.schema is None:
        return {}
    area, function = choosing.place_of(action.schema)
    return {"areas": area, "functions": function, "schemas": action.schema_id}


def _details_of_schema(action: TaskAction) -> str:
    if action.schema is None:
        return ""
    words = choosing.in_words(action.schema)
    return f"{words} · {action.schema.name}" if action.name else words


def _run_schema(run: TaskRun, planned: Mapping[str, Any]) -> CameTo | None:
    of_action = select(ActionRun).where(ActionRun.task_run_id == run.id, ActionRun.position == run.position)
    child: ActionRun | None = db.session.scalar(of_action)
    if child is None:
        schema = db.session.get(Schema, planned["schema"])
        if schema is None:  # removed since the run was planned
            return None
        steps = [Step.of_json(step) for step in schema.steps]
        child = actions.prepare(AREAS[schema.area], Scope.of_json(schema.scope), steps, None, schema)
        child.task_run_id, child.position = run.id, run.position
        db.session.commit()
    actions.carry_out(child.id)
    db.session.refresh(child)
    return CameTo(child.processed, child.warnings, child.errors + (child.state == RunState.FAILED))


def _read_email(typed: Mapping[str, Any], present: TaskAction | None) -> dict[str, Any]:
    try:
        return {"schema_id": None, "settings": {"recipients": parsed_addresses(typed["recipients"] or "")}}
    except ValidationError as error:
        raise Wrong("recipients", str(error)) from error


def parsed_addresses(typed: str) -> list[str]:
    """E-mail addresses as people type them, several of them apart by commas or spaces. Raises ValidationError."""
    addresses = list(dict.fromkeys(typed.replace(",", " ").replace(";", " ").split()))
    if not addresses:
        raise ValidationError(_("Name at least one address."))
    if len(addresses) > MOST_RECIPIENTS:
        raise ValidationError(_("These are more than %(most)s addresses.", most=MOST_RECIPIENTS))
    for address in addresses:
        if not mail.is_address(address):
            raise ValidationError(_("“%(address)s” is not an e-mail address.", address=address[:80]))
    return addresses


def _send_email(run: TaskRun, planned: Mapping[str, Any]) -> CameTo:
    delivery = deliveries.by_mail(run, planned["settings"])
    return CameTo(delivery.processed, delivery.warnings, 0)


def _read_webhook(typed: Mapping[str, Any], present: TaskAction | None) -> dict[str, Any]:
    url, secret = typed["urls"] or "", typed["secrets"] or ""
    if len(url) > LONGEST_URL:
        raise Wrong("urls", _("The address is longer than %(most)s characters.", most=LONGEST_URL))
    try:
        url = webhooks.checked_url(url)
    except Refused as refused:
        raise Wrong("urls", str(refused)) from refused
    kept_secret = present.secret if present is not None else None
    if not secret and kept_secret is None:
        raise Wrong("secrets", _("A webhook needs a secret, with which its calls are signed."))
    if secret and not (SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET and secret.isascii() and secret.isprintable()):
        raise Wrong(
            "secrets",
            _(
                "A secret has %(least)s to %(most)s letters, digits and signs.",
                least=SHORTEST_SECRET,
                most=LONGEST_SECRET,
            ),
        )
    return {"schema_id": None, "settings": {"url": url}, "secret": secret or None, "kept_secret": kept_secret}


def _call_webhook(run: TaskRun, planned: Mapping[str, Any]) -> CameTo:
    delivery = deliveries.by_webhook(run, planned["settings"])
    return CameTo(delivery.processed, delivery.warnings, 0)


# In the order in which the form offers them.
KINDS: dict[ActionKind, Kind] = {
    ActionKind.SCHEMA: Kind(
        _l("Assistant schema"),
        ("areas", "functions", "schemas"),
        _read_schema,
        _fill_schema,
        lambda action: action.schema.name if action.schema is not None else "–",
        _run_schema,
        _details_of_schema,
    ),
    ActionKind.EMAIL: Kind(
        _l("Status e-mail"),
        ("recipients",),
        _read_email,
        lambda action: {"recipients": ", ".join(action.settings["recipients"])},
        lambda action: ", ".join(action.settings["recipients"]),
        _send_email,
    ),
    ActionKind.WEBHOOK: Kind(
        _l("Webhook"),
        ("urls", "secrets"),
        _read_webhook,
        lambda action: {"urls": action.settings["url"]},
        lambda action: urlsplit(action.settings["url"]).netloc,
        _call_webhook,
    ),
}
