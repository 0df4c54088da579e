"""Amazon's usage plans: a token bucket for each seller, region and operation, shared by all workers.

Source: the published defaults of Orders API 2026-01-01 and v0. A limit that Amazon names in an answer
wins over them, since the plans follow the seller's business.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from portal.cloud.connectors import OutOfBudget
from portal.extensions import redis
from portal.sentences import sentence

# (calls a second, size of the bucket)
DEFAULTS = {
    "searchOrders": (0.0056, 20),
    "getOrder": (0.5, 30),
    "confirmShipment": (2.0, 10),
    "getMarketplaceParticipations": (0.016, 15),
}
# A wait this short is slept through; for a longer one the job ends and comes again.
SHORT_SECONDS = 2.0
# What Amazon could grant at most; beyond it the header is a mistake.
RATES = (0.0001, 1000.0)

# Fill the bucket by the time that went by, then take one call. By Redis's clock, since workers' differ.
# Answers {"1", calls left} or {"0", seconds until there is one}.
TAKE = """
local state = redis.call('HMGET', KEYS[1], 'calls', 'at', 'rate')
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local rate = tonumber(state[3]) or tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local calls = tonumber(state[1]) or burst
calls = math.min(burst, calls + math.max(0, now - (tonumber(state[2]) or now)) * rate)
local wanted = tonumber(ARGV[3])
local answer
if calls + 0.000001 >= wanted then
  calls = calls - wanted
  answer = {'1', tostring(calls)}
else
  answer = {'0', tostring((wanted - calls) / rate)}
end
redis.call('HSET', KEYS[1], 'calls', tostring(calls), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 86400)
return answer
"""


@dataclass(frozen=True, slots=True)
class Plans:
    """The usage plans of one seller in one region."""

    seller: str
    region: str

    def take(self, operation: str) -> None:
        """Take one call from the bucket, waiting for it under two seconds. Raises OutOfBudget otherwise."""
        until = time.monotonic() + SHORT_SECONDS
        while True:
            granted, number = self._run(operation, 1)
            if granted:
                return
            if time.monotonic() + number > until:
                raise OutOfBudget(sentence("Amazon's usage plan allows the next call later."), number)
            time.sleep(number + 0.01)

    def left(self, operation: str) -> int:
        """The calls that could be made at this moment."""
        _granted, calls = self._run(operation, 0)
        return int(calls)

    def rate(self, operation: str) -> float:
        """Calls a second, by Amazon's last word."""
        said = redis().hget(self._key(operation), "rate")
        return float(said) if said else DEFAULTS[operation][0]

    def take_up(self, operation: str, header: str | None) -> None:
        """Keep the limit that an answer names (x-amzn-RateLimit-Limit, calls a second). Nonsense is passed over."""
        try:
            rate = float(header or "")
        except ValueError:
            return
        if RATES[0] <= rate <= RATES[1] and rate != self.rate(operation):
            # Fill at the old rate up to now first, so that the change does not reach back.
            self._run(operation, 0)
            redis().hset(self._key(operation), "rate", str(rate))

    def drain(self, operation: str) -> float:
        """Amazon said that there is nothing left (429): believe it. Returns the seconds until the next call."""
        redis().hset(self._key(operation), "calls", "0")
        return 1 / self.rate(operation)

    def _run(self, operation: str, calls: int) -> tuple[bool, float]:
        rate, burst = DEFAULTS[operation]
        granted, number = redis().eval(TAKE, 1, self._key(operation), rate, burst, calls)
        return granted == b"1", float(number)

    def _key(self, operation: str) -> str:
        return f"kontor:amazon:plan:{self.seller}:{self.region}:{operation}"
