"""Where alarms come from. A later part adds its own here, and in the migration that says who has any.

(`portal_claim_digests`, which looks across tenants for those with an alarm.)
"""

from __future__ import annotations

from portal.automation.alarms import LOCKED_TASKS, MISSING_SERVICES
from portal.notices.alarm import Source

SOURCES: dict[str, Source] = {source.kind: source for source in (LOCKED_TASKS, MISSING_SERVICES)}
