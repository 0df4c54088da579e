"""Pages of automation services."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from redis.exceptions import RedisError
from sqlalchemy import func, select
from wtforms import StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from portal.automation import services
from portal.automation.models import Service, Task
from portal.automation.services import MOST_WORKERS, Look, State
from portal.automation.task_columns import of_services
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.listings.actions import on_records, removal
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import SMALL_ID, Sort
from portal.presentation import address_of
from portal.sentences import sentence
from portal.tenants.access import require, require_user
from portal.tenants.models import Role
from portal.tenants.session import current_tenant
from portal.typed import Form, WholeField, local_path, one_line

bp = Blueprint("services", __name__, url_prefix="/services")
bp.before_request(require_user)

# The tone of a state (templates/ui.html).
TONES = {
    State.STARTED: "done",
    State.STARTING: "waiting",
    State.STOPPING: "waiting",
    State.STOPPED: "off",
    State.MISSING: "failed",
}


class ServiceForm(Form):
    """A service."""

    name = StringField(
        _l("Name"),
        [DataRequired(), Length(max=60)],
        filters=[one_line],
        description=_l("Such as Automation, or Night for what may take long."),
    )
    workers = WholeField(
        _l("Workers"),
        [InputRequired(), NumberRange(1, MOST_WORKERS)],
        default=1,
        description=_l("How many tasks of this service run at once. One task never runs twice at once."),
    )


ACTIONS = (
    on_records(
        "start",
        _l("Start"),
        "player-play",
        _l("Their workers start within seconds."),
        Service,
        services.start,
        lambda num: ngettext("%(num)s is started.", "%(num)s are started.", num),
        lambda service: not service.active,
    ),
    on_records(
        "stop",
        _l("Stop"),
        "hand-stop",
        _l("Their workers end after the job in hand. What is due waits."),
        Service,
        services.stop,
        lambda num: ngettext("%(num)s is stopped.", "%(num)s are stopped.", num),
        lambda service: service.active,
    ),
    removal(Service, services.remove),
)


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    looks = {look.service.id: look for look in _looked(services.all_of_tenant())}
    tasks = dict(db.session.execute(select(Task.service_id, func.count()).group_by(Task.service_id)).all())
    listing = records(
        _("Services"),
        "services.index",
        Service,
        of_services(looks, tasks, in_words, TONES),
        (Sort("name", (Service.name, Service.id)),),
        (Service.name,),
        address_of("services.show"),
        actions=ACTIONS if current_user.may(Role.ADMIN) else (),
    )
    purpose = _(
        "A service is a group of workers that does your tasks. Each task belongs to one; several keep apart what "
        "must not wait for each other."
    )
    new = url_for("services.new") if current_user.may(Role.ADMIN) else None
    return listing.answer(
        "services/index.html",
        "listings/_plain.html",
        follows=lambda page: any(looks[service.id].state in services.PASSING for service in page),
        no_match=_("No service matches"),
        nothing=(_("No service yet"), purpose, new, _("New service"), "clock"),
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    """The assistant that makes a service; behind it lies what it was opened for."""
    require(Role.ADMIN)
    is_first = not services.all_of_tenant()
    form = ServiceForm(name=_("Automation") if is_first else "")
    return render_template("services/edit.html", form=form, service=None, is_first=is_first, to=_to())


@bp.post("/")
def create() -> ResponseReturnValue:
    require(Role.ADMIN)
    return _save(Service())


@bp.get(f"/{SMALL_ID}")
def show(id: int) -> ResponseReturnValue:
    return _look_page("services/show.html", db.get_or_404(Service, id))


@bp.get(f"/{SMALL_ID}/progress")
def progress(id: int) -> ResponseReturnValue:
    """How the service is now, for its page to look again."""
    return _look_page("services/_look.html", db.get_or_404(Service, id))


@bp.get(f"/{SMALL_ID}/edit")
def edit(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    service: Service = db.get_or_404(Service, id)
    return render_template("services/edit.html", form=ServiceForm(obj=service), service=service)


@bp.post(f"/{SMALL_ID}/edit")
def update(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    return _save(db.get_or_404(Service, id))


@bp.post(f"/{SMALL_ID}/start")
def start(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    services.start(db.get_or_404(Service, id))
    flash(_("The service starts."))
    return redirect(url_for("services.show", id=id))


@bp.post(f"/{SMALL_ID}/stop")
def stop(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    services.stop(db.get_or_404(Service, id))
    flash(_("The service stops after what it is doing. What is due waits until it is started again."))
    return redirect(url_for("services.show", id=id))


@bp.post(f"/{SMALL_ID}/removal")
def remove(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    service: Service = db.get_or_404(Service, id)
    try:
        services.remove(service)
    except Refused as refused:
        flash(str(refused), "danger")
        return redirect(url_for("services.show", id=id))
    flash(_("The service “%(name)s” is removed.", name=service.name))
    return redirect(url_for("services.index"))


def in_words(look: Look) -> str:
    """How a service is, for a person."""
    if look.state == State.MISSING:
        return ngettext(
            "not seen for %(number)s minute", "not seen for %(number)s minutes", look.minutes, number=look.minutes
        )
    return {
        State.STARTED: _("started"),
        State.STARTING: _("starting"),
        State.STOPPING: _("stopping"),
        State.STOPPED: _("stopped"),
    }[look.state]


def _save(service: Service) -> ResponseReturnValue:
    form, to = ServiceForm(), _to()
    if form.accepts(lambda: services.save(service, form.name.data, form.workers.data)):
        flash(_("The service is saved."))
        return redirect(to or url_for("services.show", id=service.id))
    shown = service if service.id else None
    return render_template("services/edit.html", form=form, service=shown, is_first=False, to=to), 422


def _looked(found: Sequence[Service]) -> list[Look]:
    try:
        return services.look(found)
    except RedisError as error:
        raise Unavailable(sentence("The queues do not answer (Redis). Please try again in a moment.")) from error


def _to() -> str | None:
    """Where the assistant leads when it is done."""
    return local_path(request.values.get("to"))


def _look_page(template: str, service: Service) -> str:
    tasks = db.session.scalars(select(Task).where(Task.service_id == service.id).order_by(Task.name)).all()
    (look,) = _looked([service])
    command = f'flask worker --service "{service.name}" --tenant {current_tenant().customer_number}'
    return render_template(
        template, look=look, service=service, tasks=tasks, words=in_words, tones=TONES, command=command
    )
