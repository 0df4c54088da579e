"""The pages of a platform's articles: which SKU is which."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from htmx_flask import request

from portal import csv_files, imports
from portal.csv_files import Table
from portal.extensions import db
from portal.held import listing as held
from portal.imports import ImportForm, Planned, UploadForm
from portal.listings.actions import MOST_RECORDS, Action
from portal.listings.listing import Listing, list_at
from portal.lists import LONGEST_SEARCH, SMALL_ID, View
from portal.masterdata import articles
from portal.platforms import assignment_files, assignments
from portal.platforms.article_forms import AssignmentForm, offered_from
from portal.platforms.assignment_columns import columns
from portal.platforms.models import Platform
from portal.tenants.access import require, require_user
from portal.tenants.models import Role
from portal.typed import one_line

bp = Blueprint("assignments", __name__, url_prefix=f"/platforms/{SMALL_ID}/articles")
bp.before_request(require_user)
imports.accept_files(bp, "upload")

FIELDS = {"number": _l("Article number")}


@list_at(bp, "")
def index(id: int) -> ResponseReturnValue:
    """The assignments, and a form for one more; ?sku= is one that asks for an article."""
    platform = _platform(id)
    listing, more = _listing(platform, _form(platform, formdata=None, sku=one_line(request.args.get("sku"))))
    return listing.answer("platforms/assignments.html", "listings/_plain.html", **more)


@bp.post("")
def create(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    form = _form(platform)
    if _assign(platform, form):
        # Where orders wait for it, the next thing is to try them again.
        waits = held.count(held.Wanted(cause="unknown_sku", about=form.sku.data)) != 0
        return redirect(url_for("held.index") if waits else url_for("assignments.index", id=id))
    listing, more = _listing(platform, form)
    return listing.page("platforms/assignments.html", **more), 422


@bp.post("/remove")
def remove(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    if assignments.remove(platform, one_line(request.form.get("sku")) or ""):
        flash(_("The assignment is removed."), "success")
    return redirect(url_for("assignments.index", id=id))


@bp.get("/numbers")
def numbers(id: int) -> ResponseReturnValue:
    """The article numbers that may be meant, while one is typed."""
    _platform(id)
    typed = (one_line(request.args.get("number")) or "")[:LONGEST_SEARCH]
    return render_template("platforms/_numbers.html", articles=articles.offered(typed))


@bp.get("/missing")
def missing(id: int) -> ResponseReturnValue:
    """SKUs of the latest documents that lead to no article."""
    platform = _platform(id)
    return _missing_page(platform, _form(platform, formdata=None))


@bp.post("/missing")
def assign_missing(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    form = _form(platform)
    if _assign(platform, form):
        return redirect(url_for("assignments.missing", id=id))
    return _missing_page(platform, form), 422


@bp.get("/export")
def export(id: int) -> ResponseReturnValue:
    """All assignments, in a file that would change nothing if it were imported."""
    platform = _platform(id)
    header = [column.header for column in assignment_files.COLUMNS]
    return csv_files.download(f"articles-{platform.number}.csv", header, partial(assignment_files.behind, id))


@bp.get("/import")
def choose(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    return _upload_page(_platform(id), UploadForm(formdata=None))


@bp.post("/import")
def upload(id: int) -> ResponseReturnValue:
    """Take a file and show what it would do. Nothing is imported yet."""
    require(Role.ADMIN)
    platform = _platform(id)
    form = UploadForm()
    if form.validate_on_submit() and imports.take(_kind(platform), form, assignment_files.COLUMNS):
        return redirect(url_for("assignments.preview", id=id))
    return _upload_page(platform, form), 422


@bp.get("/import/preview")
def preview(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    platform = _platform(id)
    try:
        table = _table(platform)
    except imports.Expired as expired:
        return _upload_page(platform, UploadForm(formdata=None), str(expired))
    planned = assignment_files.plan_file(platform, table)
    return _preview_page(platform, table, planned, ImportForm(formdata=None))


@bp.post("/import/preview")
def run(id: int) -> ResponseReturnValue:
    """IMPORT: what the preview showed."""
    require(Role.ADMIN)
    platform = _platform(id)
    form = ImportForm()
    try:
        table = _table(platform)
    except imports.Expired as expired:
        return _upload_page(platform, UploadForm(formdata=None), str(expired)), 422
    planned = assignment_files.plan_file(platform, table)
    if not (form.validate_on_submit() and imports.may_run(form, planned)):
        return _preview_page(platform, table, planned, form), 422
    assignments.write(platform, {assigned.sku: assigned.number for assigned in imports.to_write(planned)})
    imports.forget(_kind(platform))
    flash(imports.done(planned), "success")
    return redirect(url_for("assignments.index", id=id))


def _platform(id: int) -> Platform:
    platform: Platform = db.get_or_404(Platform, id)
    return platform


def _kind(platform: Platform) -> str:
    return f"assignments:{platform.id}"


def _form(platform: Platform, **options: Any) -> AssignmentForm:
    return AssignmentForm(url_for("assignments.numbers", id=platform.id), **options)


def _assign(platform: Platform, form: AssignmentForm) -> bool:
    """Assign what was typed; False, and said at its field, where it is refused."""
    if not form.accepts(lambda: assignments.assign(platform, form.sku.data or "", form.number.data or "")):
        return False
    flash(_("“%(sku)s” is assigned. Orders that come from now on book the article.", sku=form.sku.data), "success")
    return True


def _listing(platform: Platform, form: AssignmentForm) -> tuple[Listing, dict[str, Any]]:
    """The list of assignments, and what its page shows besides."""
    view = View.of_request("assignments.index", lambda values: assignments.SORTS, assignments.FILTERS, id=platform.id)
    id, search = platform.id, view.get("q")
    wanted, cut = assignments.wanted(search) if search else (None, False)
    listing = Listing(
        _("Articles of %(name)s", name=platform.name),
        view,
        columns(id, current_user.may(Role.ADMIN)),
        lambda window: assignments.rows(id, wanted, window),
        view.sort.key_of,
        lambda: assignments.count(id, wanted),
        actions=(_removal(platform),) if current_user.may(Role.ADMIN) else (),
        id_of=lambda row: row.sku,
        parse_id=one_line,
    )
    needless = _(
        "A SKU that is one of your article numbers needs no assignment, if the settings of document creation say so. "
        "Any other is assigned here, or by a file."
    )
    to_missing = url_for("assignments.missing", id=id)
    nothing = (_("No SKU is assigned"), needless, to_missing, _("SKUs without an article"), "link")
    return listing, {
        "platform": platform,
        "form": form,
        "cut": cut,
        "hint": _("Beginning of the SKU, or of the article’s number or title"),
        "no_match": _("No SKU matches"),
        "nothing": nothing,
    }


def _removal(platform: Platform) -> Action:
    def remove(skus: Sequence[str]) -> str:
        gone = sum(assignments.remove(platform, sku) for sku in skus)
        return ngettext("%(num)s assignment is removed.", "%(num)s assignments are removed.", gone)

    caution = _l("Orders with these SKUs are held from now on, unless one is an article number.")
    return Action("remove", _l("Remove"), "trash", MOST_RECORDS, caution, remove, asks=True)


def _missing_page(platform: Platform, form: AssignmentForm) -> str:
    found, more = assignments.missing(platform)
    return render_template(
        "platforms/missing.html",
        platform=platform,
        form=form,
        found=found,
        more=more,
        offered=offered_from(url_for("assignments.numbers", id=platform.id)),
    )


def _table(platform: Platform) -> Table:
    return csv_files.read(imports.kept(_kind(platform)), assignment_files.COLUMNS)


def _upload_page(platform: Platform, form: UploadForm, problem: str | None = None) -> str:
    return render_template(
        "platforms/import.html", platform=platform, form=form, problem=problem, columns=assignment_files.COLUMNS
    )


def _preview_page(platform: Platform, table: Table, planned: Sequence[Planned[Any]], form: ImportForm) -> str:
    return imports.preview_page(
        "platforms/preview.html",
        "assignments.preview",
        planned,
        form,
        {"id": platform.id},
        platform=platform,
        unread=table.unread,
        key_label=_("SKU"),
        fields=FIELDS,
        words={},
    )
