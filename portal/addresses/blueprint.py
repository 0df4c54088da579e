"""The pages of this part; views.py and returning.py add their routes."""

from flask import Blueprint
from flask_login import login_required

bp = Blueprint("addresses", __name__, url_prefix="/addresses")


@bp.before_request
@login_required
def _signed_in() -> None:
    """Nothing here is for those who are not signed in."""
