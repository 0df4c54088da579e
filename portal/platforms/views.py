"""Pages of platforms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, g, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from htmx_flask import request
from sqlalchemy import select

from portal.credentials.models import Credential
from portal.errors import Refused, Unavailable
from portal.extensions import db
from portal.listings.actions import area_actions
from portal.listings.listing import list_at
from portal.listings.records import records
from portal.lists import SMALL_ID, Filter, Sort
from portal.platforms import creation, importing, service
from portal.platforms.columns import COLUMNS
from portal.platforms.forms import DisconnectForm, PlatformForm
from portal.platforms.models import Connection, Platform
from portal.presentation import address_of, word_of
from portal.setup.service import SETUP_CHANGED, guide_of, platform_of
from portal.tenants.access import require, require_user
from portal.tenants.forms import ConfirmForm
from portal.tenants.models import Role
from portal.tenants.session import current_tenant
from portal.typed import choices
from portal.waiting import Waiting, waiting_in_cloud

bp = Blueprint("platforms", __name__, url_prefix="/platforms")
bp.before_request(require_user)

# What the cloud puts into ?connection= when it sends the browser back.
RETURNS = {
    "authenticated": _l("Connected. Orders come in by themselves from now on. You may close this tab."),
    "refused": _l("Nothing was changed: the consent was refused at the marketplace. Connect again when you are ready."),
    "expired": _l("Nothing was changed: it took too long, and the marketplace’s code has expired. Connect again."),
    "replayed": _l("Nothing was changed: this answer of the marketplace was used before. Connect again if need be."),
    "foreign_seller": _l(
        "Nothing was changed: you signed in to another seller account than the one this platform belongs to. "
        "Sign in there as the right seller, or make a platform of its own for this one."
    ),
    "already_connected": _l(
        "Nothing was changed: another platform collects this seller’s orders of the same marketplace, and each would "
        "come twice. Use that one, or give each platform marketplaces of its own and connect again."
    ),
    "code_refused": _l(
        "Nothing was changed: the marketplace did not take its own code. Connect again; if it stays so, "
        "tell who runs the cloud."
    ),
    "unavailable": _l("Nothing was changed: the marketplace does not answer just now. Connect again later."),
}


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    connections = {each.value: word_of(each) for each in Connection}
    listing = records(
        _("Platforms"),
        "platforms.index",
        Platform,
        COLUMNS,
        (Sort("number", (Platform.number,)), Sort("name", (Platform.name, Platform.id))),
        (Platform.name, Platform.reference),
        address_of("platforms.show"),
        filters=(Filter.among("connection", _l("Connection"), connections, lambda c: Platform.connection == c),),
        actions=(area_actions("platforms"),),
    )
    has_credential = db.session.scalar(select(Credential.id).limit(1)) is not None
    return listing.answer(
        "platforms/index.html",
        "listings/_plain.html",
        has_credential=has_credential,
        no_match=_("No platform matches"),
        nothing=_no_platform(has_credential, current_user.may(Role.ADMIN)),
    )


def _no_platform(has_credential: bool, may_make: bool) -> tuple[str, str, str | None, str, str]:
    """What is said where there is no platform: one needs a credential first."""
    if has_credential:
        what = _("A platform is a marketplace account whose orders come here, for instance your account at Amazon.")
        to, label, symbol = url_for("platforms.new"), _("New platform"), "building-store"
    else:
        what = _("A platform is reached through a cloud. Enter the access to it first.")
        to, label, symbol = url_for("credentials.new"), _("New credential"), "key"
    return _("No platform yet"), what, to if may_make else None, label, symbol


@bp.get("/new")
def new() -> ResponseReturnValue:
    require(Role.ADMIN)
    name = service.free_name(_("Amazon %(number)s", number=current_tenant().customer_number))
    form = _with_credentials(PlatformForm(number=service.next_number(), name=name))
    return render_template("platforms/new.html", form=form)


@bp.post("/")
def create() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = _with_credentials(PlatformForm())
    if form.validate_on_submit():
        try:
            platform = service.create_platform(
                form.number.data,
                form.name.data,
                db.session.get_one(Credential, form.credential.data),
                form.marketplace_ids,
                form.active.data,
            )
        except (service.NameTaken, service.NumberTaken) as taken:
            form.say(taken)
        else:
            return redirect(url_for("platforms.show", id=platform.id))
    return render_template("platforms/new.html", form=form), 422


@bp.get(f"/{SMALL_ID}")
def show(id: int) -> ResponseReturnValue:
    platform = platform_of(id)
    code = request.args.get("connection")
    if code is not None:
        service.end_consent(platform)
    problem = _look(platform) if code is not None else None
    if code not in RETURNS or (code == "authenticated" and platform.connection != Connection.AUTHENTICATED):
        code = None  # only what the cloud confirms is called connected: anybody can write an address
    return _show_page(platform, problem=problem, returned=code)


@bp.get(f"/{SMALL_ID}/edit")
def edit(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = platform_of(id)
    form = _with_credentials(PlatformForm(obj=platform, credential=platform.credential_id))
    return render_template("platforms/edit.html", platform=platform, form=form)


@bp.post(f"/{SMALL_ID}/edit")
def update(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = platform_of(id)
    form = _with_credentials(PlatformForm())
    status, problem = 422, None
    if form.validate_on_submit():
        try:
            service.update_platform(
                platform,
                form.number.data,
                form.name.data,
                db.session.get_one(Credential, form.credential.data),
                form.marketplace_ids,
                form.active.data,
            )
        except (
            service.NameTaken,
            service.NumberTaken,
            service.CredentialFixed,
            service.MarketplacesRefused,
        ) as refused:
            form.say(refused)
        except Refused as refused:
            problem = str(refused)
        except Unavailable as unavailable:
            status, problem = 503, str(unavailable)
        else:
            flash(_("The platform is saved."))
            asks: dict[str, Any] = {"import": "ask"} if importing.can_import(platform) else {}
            return redirect(url_for("platforms.show", id=id, **asks))
    return render_template("platforms/edit.html", platform=platform, form=form, problem=problem), status


@bp.get(f"/{SMALL_ID}/import")
def compare_settings(id: int) -> ResponseReturnValue:
    """YES to the question: what the marketplace offers beside what is here. Changes nothing."""
    require(Role.ADMIN)
    return _import_page(platform_of(id))


@bp.post(f"/{SMALL_ID}/import")
def import_settings(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = platform_of(id)
    ticked = request.form.getlist("offer")
    try:
        taken = importing.take_over(platform, importing.offers_for(platform), ticked)
    except (Refused, Unavailable) as problem:
        return _import_page(platform, str(problem), ticked), 503 if isinstance(problem, Unavailable) else 422
    flash(
        ngettext("%(num)s setting was taken over.", "%(num)s settings were taken over.", taken)
        if taken
        else _("Nothing was changed.")
    )
    return redirect(url_for("platforms.show", id=id))


@bp.get(f"/{SMALL_ID}/connection")
def connection(id: int) -> ResponseReturnValue:
    """The card with the connection's state, asked of the cloud: REFRESH, and what the page does by itself."""
    platform = platform_of(id)
    problem = _look(platform)
    if not request.htmx:
        return _show_page(platform, problem=problem)
    return make_response(_card(platform, problem), SETUP_CHANGED)


@bp.post(f"/{SMALL_ID}/connection")
def connect(id: int) -> ResponseReturnValue:
    """CONNECT: on to the marketplace's consent page, in the tab that the form opens."""
    require(Role.ADMIN)
    platform = platform_of(id)
    try:
        return redirect(service.connect(platform))
    except service.NameTaken as taken:
        form = _with_credentials(PlatformForm(formdata=None, obj=platform, credential=platform.credential_id))
        form.say(taken)
        return render_template("platforms/edit.html", platform=platform, form=form), 422
    except (Refused, Unavailable) as problem:
        g.keep_transaction = True  # a reference gained on the way is not lost
        db.session.flush()
        return _show_page(platform, problem=str(problem)), 503 if isinstance(problem, Unavailable) else 422


@bp.get(f"/{SMALL_ID}/disconnection")
def confirm_disconnection(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    return render_template("platforms/disconnect.html", platform=platform_of(id), form=DisconnectForm())


@bp.post(f"/{SMALL_ID}/disconnection")
def disconnect(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = platform_of(id)
    form = DisconnectForm()
    if form.validate_on_submit():
        if service.name_key(form.name.data) == platform.name_key:
            service.disconnect(platform)
            flash(_("The platform is disconnected. What came stays."))
            return redirect(url_for("platforms.show", id=id))
        form.name.errors = [_("This is not the platform’s name.")]
    return render_template("platforms/disconnect.html", platform=platform, form=form), 422


@bp.post(f"/{SMALL_ID}/fetches")
def fetch(id: int) -> ResponseReturnValue:
    """FETCH NOW: what waits in the cloud, and a look at the marketplace for what is newer."""
    platform = platform_of(id)
    run = service.fetch_now(platform)
    if request.htmx:
        return make_response(render_template("platforms/_run.html", run=run), SETUP_CHANGED)
    return redirect(url_for("platforms.show", id=id))


@bp.get(f"/{SMALL_ID}/waiting")
def waiting(id: int) -> ResponseReturnValue:
    """What waits in the cloud and when it last looked, for the platform's page to load when it is shown."""
    platform = platform_of(id)
    known = platform.reference is not None
    waiting = waiting_in_cloud([platform])[platform.id] if known else Waiting()
    return render_template("platforms/_waiting.html", waiting=waiting, now=datetime.now(UTC))


def _look(platform: Platform) -> str | None:
    """Ask the cloud for the state; what went wrong is shown beside the last known one."""
    try:
        service.refresh(platform)
    except (Refused, Unavailable) as problem:
        return str(problem)
    return None


def _show_page(platform: Platform, problem: str | None = None, returned: str | None = None) -> str:
    guide = guide_of(platform)
    return render_template(
        "platforms/show.html",
        platform=platform,
        problem=problem,
        returned=returned,
        returns=RETURNS,
        guide=guide,
        run=guide.run,
        quiet=guide.quiet,
        waiting=Waiting(),
        consenting=service.awaits_consent(platform),
        confirm=ConfirmForm(formdata=None),
        may_change=current_user.may(Role.ADMIN),
        new_words=creation.new_words(platform),
        asks_import=request.args.get("import") == "ask" and importing.can_import(platform),
    )


def _import_page(platform: Platform, problem: str | None = None, ticked: Sequence[str] = ()) -> str:
    offers: Sequence[importing.Offer] = ()
    try:
        offers = importing.offers_for(platform)
    except (Refused, Unavailable) as away:
        problem = problem or str(away)
    return render_template(
        "platforms/offers.html", platform=platform, offers=offers, problem=problem, ticked=set(ticked)
    )


def _card(platform: Platform, problem: str | None) -> str:
    return render_template(
        "platforms/_connection.html",
        platform=platform,
        problem=problem,
        consenting=service.awaits_consent(platform),
        confirm=ConfirmForm(formdata=None),
        may_change=current_user.may(Role.ADMIN),
    )


def _with_credentials(form: PlatformForm) -> PlatformForm:
    credentials = db.session.scalars(select(Credential).order_by(Credential.name))
    form.credential.choices = choices((credential.id, credential.name) for credential in credentials)
    return form
