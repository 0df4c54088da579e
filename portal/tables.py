"""Every table of Kontor, for what has to know them all: migrations and the tests of the row policies."""

from portal.addresses import models as addresses
from portal.automation import models as automation
from portal.cloud import models as cloud
from portal.credentials import models as credentials
from portal.documents import models as documents
from portal.extensions import Model
from portal.listings import models as listings
from portal.masterdata import models as masterdata
from portal.notices import models as notices
from portal.platforms import models as platforms
from portal.shipments import models as shipments
from portal.tenants import models as tenants

__all__ = [
    "addresses",
    "automation",
    "cloud",
    "credentials",
    "documents",
    "listings",
    "masterdata",
    "metadata",
    "notices",
    "platforms",
    "shipments",
    "tenants",
]

metadata = Model.metadata
