"""The WSGI app (`gunicorn wsgi:app`), and where `flask` finds its commands."""

from portal import create_app

app = create_app()
