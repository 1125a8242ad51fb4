"""When a failed task is tried again, and when no more. Pure: every time is an argument.

Source: the RetryConfig and RateLimits texts of the google-cloud-tasks library.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """A queue's RetryConfig in seconds, already divided by the time scale."""

    max_attempts: int
    max_retry_duration_s: float
    min_backoff_s: float
    max_backoff_s: float
    max_doublings: int

    def delay_s(self, failed_attempts: int) -> float:
        """The wait after the n-th failure (n from 1): doubles `max_doublings` times, then grows by the last step,
        never over `max_backoff_s`. Min 10, max 300, 3 doublings: 10, 20, 40, 80, 160, 240, 300, 300..."""
        doublings = min(failed_attempts - 1, self.max_doublings)
        linear_steps = max(failed_attempts - 1 - self.max_doublings, 0)
        # 2^1000 would overflow a float; by then max_backoff has long decided.
        step_s = self.min_backoff_s * 2.0 ** min(doublings, 64)
        return min(step_s * (1 + linear_steps), self.max_backoff_s)

    def exhausted(self, failed_attempts: int, since_first_attempt_s: float) -> bool:
        """Whether the task is given up. With both limits set, both must be reached; -1 attempts and 0 seconds mean
        that this limit does not exist."""
        attempts_used_up = failed_attempts >= self.max_attempts
        time_used_up = since_first_attempt_s >= self.max_retry_duration_s
        if self.max_attempts < 0:
            return self.max_retry_duration_s > 0 and time_used_up
        if self.max_retry_duration_s <= 0:
            return attempts_used_up
        return attempts_used_up and time_used_up


class TokenBucket:
    """A queue's dispatch rate: `burst` at once, then `per_second`."""

    def __init__(self, per_second: float, burst: int, now_s: float) -> None:
        self.per_second, self.burst = per_second, burst
        self._tokens, self._at_s = float(burst), now_s

    def wait_s(self, now_s: float) -> float:
        """How long until there is a token; 0 when there is one."""
        # A wait computed from the rate may end a rounding error short of a whole token.
        missing = 1.0 - 1e-6 - self._refilled(now_s)
        return max(missing, 0.0) / self.per_second

    def take(self, now_s: float) -> None:
        """Take one token, which `wait_s` said is there."""
        self._tokens, self._at_s = self._refilled(now_s) - 1.0, now_s

    def _refilled(self, now_s: float) -> float:
        return min(self.burst, self._tokens + max(now_s - self._at_s, 0.0) * self.per_second)
