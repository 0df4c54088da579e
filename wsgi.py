"""The WSGI app (`gunicorn wsgi:app`), and where `flask` finds its commands."""

from portal import create_app
from portal.processes import settle

app = create_app()
settle()
