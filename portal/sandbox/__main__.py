"""`python -m portal.sandbox`: the command without the rest of Kontor."""

from portal.sandbox.command import sandbox

sandbox()
