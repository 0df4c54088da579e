"""The consent page of Seller Central: a seller lets an application in, or does not.

Source: website authorization workflow of the Selling Partner API; MD1000 and MD5101 of its error table.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from portal.sandbox.amazon import Amazon, playing

bp = Blueprint("consent", __name__)

_ON_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class ConsentError(Exception):
    """The application asked wrongly; the page shows the code and the sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@bp.get("/apps/authorize/consent")
def show() -> ResponseReturnValue:
    amazon = playing()
    try:
        redirect_uri = _checked(amazon)
    except ConsentError as error:
        return render_template("sandbox/consent_error.html", code=error.code, sentence=str(error)), 400
    number = amazon.questions.ask(request.args["state"], redirect_uri, request.full_path)
    return _page(amazon, number)


@bp.post("/apps/authorize/consent")
def answer() -> ResponseReturnValue:
    amazon = playing()
    number = request.form.get("question", "")
    question = amazon.questions.find(number)
    if question is None:
        return render_template(
            "sandbox/consent_error.html", code="", sentence="This page is too old. Please start again."
        ), 400
    if request.form.get("decision") == "refuse":
        amazon.questions.close(number)
        return render_template("sandbox/refused.html", application=amazon.settings.application_name, question=question)
    digits = "".join(request.form.get("digits", "").split())
    if not hmac.compare_digest(digits.encode(), question.digits.encode()):
        return _page(amazon, number, "These are not the digits of the message."), 422
    try:
        seller = amazon.sellers.find(request.form.get("seller"))
    except LookupError:
        return _page(amazon, number, "Please choose an account."), 422
    amazon.questions.close(number)
    given = {
        "state": question.state,
        "selling_partner_id": seller.id,
        "spapi_oauth_code": amazon.grants.issue_code(seller.id, question.redirect_uri),
    }
    joint = "&" if urlsplit(question.redirect_uri).query else "?"
    return redirect(question.redirect_uri + joint + urlencode(given))


def _page(amazon: Amazon, number: str, problem: str = "") -> str:
    return render_template(
        "sandbox/consent.html",
        application=amazon.settings.application_name,
        sellers=amazon.sellers.all(),
        question=amazon.questions.find(number),
        number=number,
        problem=problem,
    )


def _checked(amazon: Amazon) -> str:
    """The address to come back to. Raises ConsentError."""
    settings, given = amazon.settings, request.args
    if given.get("application_id") != settings.application_id:
        raise ConsentError("", "There is no application with this application_id.")
    if settings.draft and given.get("version") != "beta":
        raise ConsentError("MD1000", "The application is a draft; version=beta is missing.")
    if not given.get("state"):
        raise ConsentError("", "The parameter state is missing.")
    redirect_uri = given.get("redirect_uri") or next(iter(settings.redirect_uris), "")
    if settings.redirect_uris:
        registered = redirect_uri in settings.redirect_uris
    else:
        registered = urlsplit(redirect_uri).hostname in _ON_THIS_MACHINE
    if not registered:
        raise ConsentError("MD5101", "The redirect_uri is not one of those registered for the application.")
    return redirect_uri
