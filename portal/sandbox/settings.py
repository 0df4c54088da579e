"""What can be set about the marketplace while it runs."""

from __future__ import annotations

from msgspec import Struct, field

from portal.sandbox.plans import PUBLISHED, Plan


class Settings(Struct, kw_only=True, forbid_unknown_fields=True):
    """Times are in seconds; the defaults are Amazon's own."""

    plans: dict[str, Plan] = field(default_factory=lambda: dict(PUBLISHED))
    min_age: float = 120  # a change shows in searchOrders only when it is this old
    code_seconds: float = 300
    access_token_seconds: float = 3600
    page_token_seconds: float = 86_400
    # The one application that is registered here. An old secret stays valid for a while after rotation.
    application_id: str = "amzn1.sp.solution.kontor-demo"
    application_name: str = "Kontor"
    client_id: str = "amzn1.application-oa2-client.kontor"
    client_secrets: list[str] = field(default_factory=lambda: ["kontor-demo-secret"])
    redirect_uris: list[str] = []  # empty: any address on this machine
    draft: bool = False  # a draft needs version=beta at the consent page
    withheld: list[str] = []  # datasets that the application's roles do not cover: silently absent
    orders_per_minute: float = 0
