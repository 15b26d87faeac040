"""Finding out who asks: by an API key, or by the session that a key once opened (contract 1.1, 16.8).

A browser cannot keep a key safely, so it trades it for a random token in a cookie that scripts cannot read. What is
stored is the token's hash. A session is looked up at most every ``TRUSTED`` seconds, so a replica hears at the latest
then that another one ended it.
"""

import asyncio
import hashlib
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect_jobs.api.caller import Caller
from prefect_jobs.api_keys import ApiKey, digest_of, find_key
from prefect_jobs.store import StoreError
from prefect_jobs.store.sessions import SessionStore, StoredSession

ATTEMPTS = 10
"""Attempts to sign in, and wrong keys, that one address has in ``ATTEMPTS_WITHIN`` seconds; beyond, a wrong key and the
form are told to wait."""
GUESSES = 100
"""Wrong keys in that time after which no key of that address is looked at that was not right there before."""
ATTEMPTS_WITHIN = 60.0
ADDRESSES_KEPT = 10_000
TRUSTED = 10.0
"""Seconds that a session once looked up counts without another look."""
SESSIONS_KEPT = 10_000
TOKEN_BYTES = 32
LONGEST_TOKEN = 100


class WrongKey(Exception):
    """Invalid API key"""


class TooManyAttempts(Exception):
    """Too many attempts to sign in, or wrong keys - try again in {seconds} s"""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts to sign in, or wrong keys - try again in {seconds} s")
        self.seconds = seconds


class Attempts:
    """Counts the latest attempts of each address. An IPv6 customer owns a whole /64, so that counts as one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, address: str) -> None:
        """Count an attempt to sign in.

        Raises:
            TooManyAttempts: there were too many.
        """
        times = self._recent(address)
        self._wait(times, ATTEMPTS)
        times.append(self._clock())

    def wrong(self, address: str) -> None:
        """Count a wrong key.

        Raises:
            TooManyAttempts: it is one too many.
        """
        times = self._recent(address)
        try:
            self._wait(times, ATTEMPTS)
        finally:
            times.append(self._clock())

    def guesses(self, address: str) -> None:
        """Look whether somebody at this address tries one key after another.

        Raises:
            TooManyAttempts: so it is.
        """
        self._wait(self._recent(address), GUESSES)

    def _recent(self, address: str) -> deque[float]:
        network = network_of(address)
        times = self._times.setdefault(network, deque(maxlen=GUESSES))
        self._times.move_to_end(network)
        if len(self._times) > ADDRESSES_KEPT:
            self._times.popitem(last=False)
        while times and times[0] <= self._clock() - ATTEMPTS_WITHIN:
            times.popleft()
        return times

    def _wait(self, times: deque[float], limit: int) -> None:
        if len(times) >= limit:
            raise TooManyAttempts(int(times[-limit] + ATTEMPTS_WITHIN - self._clock()) + 1)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in; the token is told once and kept nowhere."""

    token: str
    caller: Caller
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    expires_at: datetime
    looked_up: float


class SignIns:
    """Who may use this server, and who has signed in.

    Args:
        keys: the API keys; with none, nobody has to sign in.
        store: the sessions of all replicas.
        lifetime: how long a session counts.
    """

    def __init__(
        self,
        keys: Sequence[ApiKey],
        store: SessionStore,
        *,
        lifetime: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys = {key.id: key for key in keys}
        self._store = store
        self._lifetime = lifetime
        self._clock = clock
        self._attempts = Attempts()
        self._proven: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._known: dict[str, _Known] = {}
        self._ended = asyncio.Event()

    @property
    def required(self) -> bool:
        """Whether a caller needs a key."""
        return bool(self._keys)

    def caller_of_key(self, presented: str, *, address: str) -> Caller | None:
        """Whose key this is, or None.

        A key that was right at this address before is always looked at: who shares it with somebody who guesses goes
        on working.

        Raises:
            TooManyAttempts: too many wrong keys came from there.
        """
        if not self._is_proven(presented, address):
            self._attempts.guesses(address)
        key = find_key(self._keys.values(), presented)
        if key is None:
            self._attempts.wrong(address)
            return None
        self._prove(presented, address)
        return Caller(key.name, key.role)

    async def sign_in(self, presented: str, *, address: str) -> Session:
        """Open a session for the owner of this key.

        Raises:
            TooManyAttempts: this address tried too often.
            WrongKey: nobody has this key.
        """
        key = find_key(self._keys.values(), presented) if self._is_proven(presented, address) else None
        # Others at this address must not keep the owner of a key out, who has attempts of their own.
        self._attempts.count(address if key is None else f"{address} {key.id}")
        key = key or find_key(self._keys.values(), presented)
        if key is None:
            raise WrongKey
        self._prove(presented, address)
        now = self._clock()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        stored = StoredSession(key.id, now + self._lifetime)
        await self._store.add(_hash(token), stored, now=now)
        return Session(token, Caller(key.name, key.role), stored.expires_at)

    def _is_proven(self, presented: str, address: str) -> bool:
        return (network_of(address), digest_of(presented)) in self._proven

    def _prove(self, presented: str, address: str) -> None:
        proven = (network_of(address), digest_of(presented))
        self._proven[proven] = None
        self._proven.move_to_end(proven)
        if len(self._proven) > ADDRESSES_KEPT:
            self._proven.popitem(last=False)

    async def caller_of_token(self, token: str) -> Caller | None:
        """Who signed in with this token, or None when nobody did, has signed out, or the time is up."""
        known = await self._session(token)
        return None if known is None else known.caller

    async def sign_out(self, token: str) -> None:
        """End a session; one that is over already is no error."""
        token_hash = _hash(token)
        await self._store.remove(token_hash)
        self._known.pop(token_hash, None)
        self._ended.set()
        self._ended = asyncio.Event()

    async def until_over(self, token: str) -> None:
        """Return when the session of this token is over: what it opened must not outlive it."""
        while True:
            ended = self._ended
            try:
                known = await self._session(token)
            except StoreError:
                pause = TRUSTED
            else:
                if known is None:
                    return
                pause = min(TRUSTED, max(0.0, (known.expires_at - self._clock()).total_seconds()))
            try:
                async with asyncio.timeout(pause):
                    await ended.wait()
            except TimeoutError:
                continue

    async def _session(self, token: str) -> _Known | None:
        if not 0 < len(token) <= LONGEST_TOKEN:
            return None
        token_hash = _hash(token)
        known = self._known.get(token_hash)
        if known is None or time.monotonic() - known.looked_up >= TRUSTED:
            self._known.pop(token_hash, None)
            known = await self._look_up(token_hash)
        return known if known is not None and known.expires_at > self._clock() else None

    async def _look_up(self, token_hash: str) -> _Known | None:
        ended = self._ended
        stored = await self._store.get(token_hash)
        key = None if stored is None else self._keys.get(stored.key_id)
        if stored is None or key is None:
            return None
        known = _Known(Caller(key.name, key.role), stored.expires_at, time.monotonic())
        # A sign-out during the look must not be undone by what was read before it.
        if ended is self._ended:
            if len(self._known) >= SESSIONS_KEPT:
                self._known.clear()
            self._known[token_hash] = known
        return known


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def network_of(address: str) -> str:
    """What counts as one address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
