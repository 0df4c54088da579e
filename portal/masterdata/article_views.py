"""The pages of articles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal import csv_files, imports
from portal.csv_files import Table
from portal.extensions import db
from portal.imports import ImportForm, Planned, UploadForm
from portal.listings.actions import removal, switches
from portal.listings.listing import Listing, list_at
from portal.lists import ID, View
from portal.masterdata import article_files, articles
from portal.masterdata.article_columns import COLUMNS
from portal.masterdata.article_forms import TAX_CLASSES, ArticleForm
from portal.masterdata.models import Article
from portal.presentation import address_of
from portal.tenants.access import require, require_user
from portal.tenants.models import Role

bp = Blueprint("articles", __name__, url_prefix="/masterdata/articles")
bp.before_request(require_user)
imports.accept_files(bp, "upload")

KIND = "articles"
FIELDS = {"title": _l("Title"), "tax_class": _l("Tax class"), "active": _l("Active")}


@list_at(bp, "/")
def index() -> ResponseReturnValue:
    view = View.of_request("articles.index", lambda values: articles.SORTS, articles.FILTERS)
    search = view.get("q")
    found, cut = articles.find(search) if search else (None, False)
    may_change = current_user.may(Role.ADMIN)
    opens = address_of("articles.show") if may_change else None
    listing = Listing(
        _("Articles"),
        view,
        COLUMNS,
        lambda window: articles.rows(found, window),
        lambda row: (row.number,),
        lambda: articles.count(found),
        (lambda row: opens(row.id)) if opens else None,
        (*switches(Article), removal(Article, articles.delete)) if may_change else (),
    )
    purpose = _("Articles are what you sell, under your own numbers. A file brings in all of them at once.")
    to_import = url_for("articles.choose") if may_change else None
    return listing.answer(
        "articles/index.html",
        "listings/_plain.html",
        cut=cut,
        hint=_("Number or beginning of the title"),
        no_match=_("No article matches"),
        nothing=(_("No article yet"), purpose, to_import, _("Import"), "packages"),
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    require(Role.ADMIN)
    return render_template("articles/article.html", form=ArticleForm(formdata=None), article=None)


@bp.post("/new")
def create() -> ResponseReturnValue:
    require(Role.ADMIN)
    form = ArticleForm()
    if form.accepts(lambda: articles.create(form.wares())):
        flash(_("The article is kept."), "success")
        return redirect(url_for("articles.index"))
    return render_template("articles/article.html", form=form, article=None), 422


@bp.get(f"/{ID}")
def show(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    article: Article = db.get_or_404(Article, id)
    return render_template("articles/article.html", form=ArticleForm(formdata=None, obj=article), article=article)


@bp.post(f"/{ID}")
def update(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    article: Article = db.get_or_404(Article, id)
    form = ArticleForm()
    if form.accepts(lambda: articles.update(article, form.wares())):
        flash(_("The article is saved."), "success")
        return redirect(url_for("articles.index"))
    return render_template("articles/article.html", form=form, article=article), 422


@bp.post(f"/{ID}/delete")
def delete(id: int) -> ResponseReturnValue:
    require(Role.ADMIN)
    article: Article = db.get_or_404(Article, id)
    try:
        articles.delete(article)
    except articles.ArticleInUse as in_use:
        flash(str(in_use), "warning")
        return redirect(url_for("articles.show", id=id))
    flash(_("The article is removed. Documents keep its number and title."), "success")
    return redirect(url_for("articles.index"))


@bp.get("/export")
def export() -> ResponseReturnValue:
    """All articles, in a file that would change nothing if it were imported."""
    header = [column.header for column in article_files.COLUMNS]
    return csv_files.download("articles.csv", header, article_files.behind)


@bp.get("/import")
def choose() -> ResponseReturnValue:
    require(Role.ADMIN)
    return _upload_page(UploadForm(formdata=None))


@bp.post("/import")
def upload() -> ResponseReturnValue:
    """Take a file and show what it would do. Nothing is imported yet."""
    require(Role.ADMIN)
    form = UploadForm()
    if form.validate_on_submit() and imports.take(KIND, form, article_files.COLUMNS):
        return redirect(url_for("articles.preview"))
    return _upload_page(form), 422


@bp.get("/import/preview")
def preview() -> ResponseReturnValue:
    require(Role.ADMIN)
    try:
        table = _table()
    except imports.Expired as expired:
        return _upload_page(UploadForm(formdata=None), str(expired))
    planned = article_files.plan_file(table)
    return _preview_page(table, planned, ImportForm(formdata=None))


@bp.post("/import/preview")
def run() -> ResponseReturnValue:
    """IMPORT: what the preview showed."""
    require(Role.ADMIN)
    form = ImportForm()
    try:
        table = _table()
    except imports.Expired as expired:
        return _upload_page(UploadForm(formdata=None), str(expired)), 422
    planned = article_files.plan_file(table)
    if not (form.validate_on_submit() and imports.may_run(form, planned)):
        return _preview_page(table, planned, form), 422
    articles.write(imports.to_write(planned))
    imports.forget(KIND)
    flash(imports.done(planned), "success")
    return redirect(url_for("articles.index"))


def _table() -> Table:
    return csv_files.read(imports.kept(KIND), article_files.COLUMNS)


def _upload_page(form: UploadForm, problem: str | None = None) -> str:
    return render_template("articles/import.html", form=form, problem=problem, columns=article_files.COLUMNS)


def _preview_page(table: Table, planned: Sequence[Planned[Any]], form: ImportForm) -> str:
    return imports.preview_page(
        "articles/preview.html",
        "articles.preview",
        planned,
        form,
        {},
        unread=table.unread,
        key_label=_("Number"),
        fields=FIELDS,
        words={"tax_class": TAX_CLASSES},
    )
