"""The WSGI app (`gunicorn wsgi:app`), and where `flask` finds its commands."""

import gc

gc.disable()  # nothing that is loaded here is garbage, and looking for it is a seventh of a start; settle() enables it

from portal import create_app  # noqa: E402
from portal.processes import settle  # noqa: E402

app = create_app()
settle()
