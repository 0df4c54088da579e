"""The pages of this part; views.py and administration.py add their routes."""

from flask import Blueprint

bp = Blueprint("tenants", __name__)
