"""The cloud: accounts, the platforms' connections, an inbox of orders and an outbox of status messages.

It knows nothing of documents, addresses, users or tenants.
"""
