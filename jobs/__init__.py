"""RQ jobs: thin. Each opens its owner's scope, calls one function of the portal, and records the outcome."""
