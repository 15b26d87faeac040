"""The keys that open the API, and what each may do (contract 16.8).

A key is written as ``name:role:key``. It is hashed as soon as it is read, so that neither a log nor a dump of the
settings can give it away; who presents one is compared by hash, with all keys, in constant time.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the least to the most powerful: each may do what the ones before it may."""

SHORTEST_KEY = 16
LONGEST_KEY = 200
_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)
# What a WebSocket subprotocol may hold too, and an address without escapes.
_KEY = re.compile(r"[A-Za-z0-9._~+-]+")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key: whose it is, what it may do, and the SHA-256 of its text."""

    name: str
    role: Role
    digest: bytes

    @property
    def id(self) -> str:
        """What a session keeps of its key: enough to know it again, useless to sign in with."""
        return hashlib.sha256(b"session of " + self.digest).hexdigest()[:32]

    @classmethod
    def parse(cls, text: str) -> "ApiKey":
        """Read ``name:role:key``.

        Raises:
            ValueError: it is none; the message never holds the key.
        """
        name, _, rest = text.partition(":")
        role, _, key = rest.partition(":")
        if not key:
            raise ValueError("an API key is written as name:role:key")
        if not _NAME.fullmatch(name):
            raise ValueError("the name of an API key is 1 to 64 letters, digits and ._@-")
        if role not in ROLES:
            raise ValueError(f"the API key of {name} has an unknown role; the roles are {', '.join(ROLES)}")
        if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
            raise ValueError(f"the API key of {name} must have {SHORTEST_KEY} to {LONGEST_KEY} characters")
        if not _KEY.fullmatch(key):
            raise ValueError(f"the API key of {name} may hold only letters, digits and ._~+-")
        return cls(name, role, digest_of(key))


def parse_keys(texts: Iterable[str]) -> tuple[ApiKey, ...]:
    """Read many keys, each ``name:role:key``.

    Raises:
        ValueError: one cannot be read, or two are alike.
    """
    return merge_keys(ApiKey.parse(text) for text in texts)


def merge_keys(*groups: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
    """All keys of these groups.

    Raises:
        ValueError: two are alike.
    """
    keys = tuple(key for group in groups for key in group)
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("two API keys have the same name")
    if len({key.digest for key in keys}) < len(keys):
        raise ValueError("two names have the same API key")
    return keys


def find_key(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """The key that this text is, or None. Takes as long for a near miss as for a far one."""
    digest = digest_of(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def digest_of(key: str) -> bytes:
    """What is kept of a key's text."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
