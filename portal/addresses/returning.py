"""The pages of returning customers: the rule they are known by, addresses that look alike, and merges."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user
from htmx_flask import request

from portal.addresses import documents, doubles, listing, merging, service
from portal.addresses.blueprint import bp
from portal.addresses.double_columns import of_merges, of_pairs
from portal.addresses.forms import MatchingForm, MergeForm
from portal.addresses.matching import MatchRule
from portal.addresses.models import Address, AddressMerge
from portal.extensions import db
from portal.listings.actions import Action, on_records
from portal.listings.listing import Listing, list_at
from portal.lists import ID, PAGE_ROWS, Page, View, Window, encoded_key
from portal.presentation import address_of
from portal.tenants.access import require
from portal.tenants.models import Role
from portal.tenants.session import current_tenant


@bp.get("/matching")
def matching() -> ResponseReturnValue:
    form = MatchingForm(formdata=None, rule=current_tenant().match_rule.value)
    return render_template("addresses/matching.html", form=form)


@bp.post("/matching")
def update_matching() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = MatchingForm()
    if form.validate_on_submit():
        service.choose_rule(MatchRule(form.rule.data))
        flash(_("The rule is saved. It holds from the next fetch on."), "success")
        return redirect(url_for("addresses.matching"))
    return render_template("addresses/matching.html", form=form), 422


@list_at(bp, "/doubles")
def doubles_index() -> ResponseReturnValue:
    view = View.of_request("addresses.doubles_index", lambda values: (doubles.NEWEST,), listing.FILTERS)
    search = view.get("q")
    found = doubles.find(search) if search else None
    opens = address_of("addresses.show")

    def further(page: Page) -> tuple[str, str] | None:
        """The last number that was looked at and the page behind it, where nothing tells of a next page."""
        last = None
        if page.next is None:
            last = doubles.last_looked_at(Window(view.sort) if view.backwards else view.window, found)
        return (last, view.url(after=encoded_key((last,)))) if last else None

    listing_ = Listing(
        _("Doubles"),
        view,
        of_pairs(current_user.may(Role.ADMIN)),
        lambda window: (doubles.rows if window.rows == PAGE_ROWS else doubles.rows_beyond)(window, found),
        doubles.key_of,
        lambda: None,
        lambda pair: opens(pair.newer.id),
        (KEEP_APART,) if current_user.may(Role.ADMIN) else (),
        lambda pair: pair.newer.id,
    )
    return listing_.answer(
        "addresses/doubles.html",
        "addresses/_doubles.html",
        further=further,
        looked_at=doubles.MOST_LOOKED_AT,
        cut=found is not None and found.cut,
        hint=_("Number, name or surname"),
    )


@bp.get(f"/{ID}/merge")
def compare(id: int) -> ResponseReturnValue:
    """The address beside the one that ?number= names; without, the question for its number."""
    require(Role.ADMIN)
    address: Address = db.get_or_404(Address, id)
    form = MergeForm(formdata=request.args)
    if not form.number.data:
        return render_template("addresses/merge.html", address=address, form=form)
    other = _other(address, form)
    if other is None:
        return render_template("addresses/merge.html", address=address, form=form), 422
    return _side_by_side(address, other, form)


@bp.post(f"/{ID}/merge")
def merge(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    address: Address = db.get_or_404(Address, id)
    form = MergeForm()
    other = _other(address, form)
    if other is None:
        return render_template("addresses/merge.html", address=address, form=form), 422
    form.offer(address, other)
    if not form.validate_on_submit():
        return _side_by_side(address, other, form), 422
    kept, merged = (address, other) if form.stays.data == address.id else (other, address)
    try:
        merging.merge(kept, merged, current_user.id)
    except merging.MergeRefused as refused:
        form.say(refused)
        return render_template("addresses/merge.html", address=address, form=form), 422
    flash(_("%(merged)s is merged into %(kept)s.", merged=merged.number, kept=kept.number), "success")
    return redirect(url_for("addresses.show", id=kept.id))


@bp.post(f"/{ID}/apart")
def keep_apart(id: int) -> ResponseReturnValue:
    """The address and the one whose number is sent are two customers."""
    require(Role.ADMIN)
    address: Address = db.get_or_404(Address, id)
    form = MergeForm()
    other = _other(address, form)
    if other is None:
        flash(form.number.errors[0], "warning")
    else:
        merging.keep_apart(address, other)
        flash(_("%(one)s and %(other)s are kept as two customers.", one=address.number, other=other.number), "success")
    return redirect(url_for("addresses.doubles_index"))


@list_at(bp, "/merges")
def merges() -> ResponseReturnValue:
    view = View.of_request("addresses.merges", lambda values: (listing.NEWEST_MERGES,), listing.MERGE_FILTERS)
    number, opens = view.get("q"), address_of("addresses.show")
    listing_ = Listing(
        _("Merges"),
        view,
        of_merges(current_user.may(Role.ADMIN)),
        lambda window: listing.merges(number, window),
        listing.merge_key,
        lambda: listing.count_merges(number),
        lambda row: opens(row.kept_id),
        (UNDO,) if current_user.may(Role.ADMIN) else (),
    )
    how = _("Addresses of one customer are merged from the list of doubles, or from the page of one of them.")
    to_doubles = url_for("addresses.doubles_index")
    return listing_.answer(
        "addresses/merges.html",
        "listings/_plain.html",
        nothing=(_("Nothing was merged yet"), how, to_doubles, _("To the doubles"), "users"),
    )


@bp.post(f"/merges/{ID}/undo")
def undo(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    done: AddressMerge = db.get_or_404(AddressMerge, id)
    try:
        merging.undo(done)
    except merging.UndoRefused as refused:
        flash(str(refused), "warning")
    else:
        flash(_("%(number)s is an address of its own again.", number=done.merged.number), "success")
    return redirect(url_for("addresses.merges"))


def _keep_apart(ids: Sequence[int]) -> str:
    """The newer addresses of these pairs are customers of their own."""
    pairs = doubles.of(ids)
    for pair in pairs:
        merging.keep_apart(pair.newer, pair.older)
    return ngettext("%(num)s pair is kept as two customers.", "%(num)s pairs are kept as two customers.", len(pairs))


KEEP_APART = Action(
    "apart",
    _l("Keep apart"),
    "users",
    PAGE_ROWS,
    _l("Each pair is two customers, and is not shown here again."),
    _keep_apart,
)
UNDO = on_records(
    "undo",
    _l("Undo"),
    "arrow-back-up",
    _l("What was moved and still is where it was moved to goes back."),
    AddressMerge,
    merging.undo,
    lambda num: ngettext("%(num)s merge is undone.", "%(num)s merges are undone.", num),
    lambda merge: merge.undone_at is None,
    asks=True,
)


def _other(address: Address, form: MergeForm) -> Address | None:
    """The address whose number was typed. None where both cannot be merged; the reason stands at the field."""
    if not form.number.validate(form):
        return None
    try:
        return merging.other_address(address, form.number.data or "")
    except merging.MergeRefused as refused:
        form.say(refused)
        return None


def _side_by_side(address: Address, other: Address, form: MergeForm) -> str:
    form.offer(address, other)
    both = sorted((address, other), key=lambda one: one.id)
    return render_template(
        "addresses/pair.html",
        address=address,
        form=form,
        sides=[(one, documents.count(one.id)) for one in both],
    )
