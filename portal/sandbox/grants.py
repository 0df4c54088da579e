"""What sellers have granted: codes, refresh tokens and access tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from portal.sandbox import times
from portal.sandbox.store import Store


@dataclass(frozen=True)
class Seller:
    """A merchant with an account in one of Amazon's regions."""

    id: str
    name: str
    region: str


# There from the start. The first is the one where nobody chooses.
FIRST_SELLERS = (
    Seller("A2NORDLICHT24", "Nordlicht Handel", "EU"),
    Seller("A3SUEDWIND777", "Südwind Versand", "EU"),
    Seller("A1LODZWARSZTA", "Warsztat Łódź", "EU"),
)


class Sellers:
    """Who sells here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.transaction() as connection:
            connection.executemany(
                "INSERT INTO seller VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(seller.id, seller.name, seller.region) for seller in FIRST_SELLERS],
            )

    def add(self, name: str, region: str = "EU") -> Seller:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        seller = Seller("A" + "".join(secrets.choice(alphabet) for _ in range(13)), name, region)
        with self._store.transaction() as connection:
            connection.execute("INSERT INTO seller VALUES (?, ?, ?)", (seller.id, name, region))
        return seller

    def all(self) -> list[Seller]:
        with self._store.transaction() as connection:
            return [Seller(*row) for row in connection.execute("SELECT id, name, region FROM seller ORDER BY rowid")]

    def find(self, seller_id: str | None) -> Seller:
        """The seller of an id, the first for None. Raises LookupError."""
        if seller_id is None:
            return FIRST_SELLERS[0]
        for seller in self.all():
            if seller.id == seller_id:
                return seller
        raise LookupError(f"There is no seller {seller_id!r}.")


class Grants:
    """Codes are used once; refresh tokens last until they are revoked; access tokens for a while."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue_code(self, seller: str, redirect_uri: str) -> str:
        code = "AN" + secrets.token_urlsafe(18)
        with self._store.transaction() as connection:
            connection.execute("INSERT INTO code VALUES (?, ?, ?, ?, NULL)", (code, seller, redirect_uri, times.now()))
        return code

    def redeem_code(self, code: str, redirect_uri: str | None, seconds: float) -> str | None:
        """The seller who gave the code; None for one that is unknown, used, too old or of another address."""
        with self._store.transaction() as connection:
            row = connection.execute("SELECT * FROM code WHERE code = ?", (code,)).fetchone()
            if row is None or row["used"] is not None or times.now() > row["issued"] + seconds * times.SECOND:
                return None
            if redirect_uri is not None and redirect_uri != row["redirect_uri"]:
                return None
            connection.execute("UPDATE code SET used = ? WHERE code = ?", (times.now(), code))
            return str(row["seller"])

    def issue_refresh_token(self, seller: str) -> str:
        token = "Atzr|" + secrets.token_urlsafe(48)
        with self._store.transaction() as connection:
            connection.execute("INSERT INTO refresh_token VALUES (?, ?, ?, NULL)", (token, seller, times.now()))
        return token

    def seller_of_refresh_token(self, token: str) -> str | None:
        """None: unknown, or revoked."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT seller FROM refresh_token WHERE token = ? AND revoked IS NULL", (token,)
            ).fetchone()
            return str(row["seller"]) if row else None

    def issue_access_token(self, seller: str | None, refresh_token: str | None, scope: str | None = None) -> str:
        token = "Atza|" + secrets.token_urlsafe(48)
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO access_token VALUES (?, ?, ?, ?, ?)",
                (token, seller, refresh_token, scope, times.now()),
            )
        return token

    def seller_of_access_token(self, token: str, seconds: float) -> str | None:
        """Raises LookupError for a token that is unknown, revoked or not a seller's; None: it has expired."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT access_token.seller, access_token.issued, revoked FROM access_token"
                " LEFT JOIN refresh_token ON refresh_token.token = refresh_token WHERE access_token.token = ?",
                (token,),
            ).fetchone()
        if row is None or row["seller"] is None or row["revoked"] is not None:
            raise LookupError(token)
        return str(row["seller"]) if times.now() <= row["issued"] + seconds * times.SECOND else None

    def authorized(self) -> dict[str, int]:
        """When each seller who lets us in did so last."""
        with self._store.transaction() as connection:
            return dict(
                connection.execute(
                    "SELECT seller, max(issued) FROM refresh_token WHERE revoked IS NULL GROUP BY seller"
                ).fetchall()
            )

    def revoke(self, seller: str) -> int:
        """Withdraw everything that the seller granted; return how many authorizations that was."""
        with self._store.transaction() as connection:
            revoked = connection.execute(
                "UPDATE refresh_token SET revoked = ? WHERE seller = ? AND revoked IS NULL", (times.now(), seller)
            )
            return revoked.rowcount

    def clear(self) -> None:
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM code")
            connection.execute("DELETE FROM access_token")
            connection.execute("DELETE FROM refresh_token")
