"""Secrets at rest: AES-GCM under rotating keys, each bound to the row and column it belongs to.

Bound means that a value copied into another row, column or tenant no longer opens.
A sealed value is: one byte length of the key's id, the id, 12 bytes nonce, ciphertext.
"""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

from portal.errors import Refused

NONCE_BYTES = 12  # what NIST SP 800-38D recommends for GCM


class NotOpened(Refused):
    """The value was sealed with a key we do not have, or for another row."""


def seal(plain: str, place: str) -> bytes:
    """Encrypt `plain` for `place`, such as "credential/17/client_secret", with the current key."""
    key_id, key = next(iter(_keys().items()))
    nonce = os.urandom(NONCE_BYTES)
    return bytes([len(key_id)]) + key_id.encode() + nonce + AESGCM(key).encrypt(nonce, plain.encode(), place.encode())


def unseal(sealed: bytes, place: str) -> str:
    """The plain text. Raises NotOpened where key or place do not fit."""
    length = sealed[0]
    key = _keys().get(sealed[1 : 1 + length].decode())
    if key is None:
        raise NotOpened("A stored secret was sealed with a key that KONTOR_KEYS does not hold.")
    nonce, ciphertext = sealed[1 + length : 1 + length + NONCE_BYTES], sealed[1 + length + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, place.encode()).decode()
    except InvalidTag as tag:
        raise NotOpened("A stored secret does not belong to the row it lies in.") from tag


def sealed_with_current_key(sealed: bytes) -> bool:
    """False where a rotation still has to seal the value anew."""
    return sealed[1 : 1 + sealed[0]].decode() == next(iter(_keys()))


def _keys() -> dict[str, bytes]:
    """Key id to key, the current one first, from KONTOR_KEYS ("2:base64,1:base64")."""
    keys = {}
    for entry in filter(None, current_app.config["KEYS"].split(",")):
        key_id, _, encoded = entry.strip().partition(":")
        keys[key_id] = base64.urlsafe_b64decode(encoded)
    if not keys:
        raise Refused("KONTOR_KEYS is not set: secrets can neither be stored nor read.")
    return keys
