"""Why a request is not served, with the status that says so to a program."""

from __future__ import annotations

from collections.abc import Mapping


class RefusalError(Exception):
    """A request that is not served; ``str()`` is a sentence for whoever sent it."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class TooLargeError(RefusalError):
    """The body is larger than it may be."""

    def __init__(self, limit_bytes: int) -> None:
        limit = f"{limit_bytes / 1e6:.0f} MB"
        message = f"The file is larger than the limit of {limit}; send a smaller one."
        super().__init__(413, message, {"Connection": "close"})


class TooManyError(RefusalError):
    """The client asks too often, or too much at once."""


class RateError(TooManyError):
    """More requests in a minute than a client may send."""

    def __init__(self, wait_s: float, limit: int) -> None:
        super().__init__(
            429,
            f"More than {limit} searches a minute; try again in {wait_s:.0f} s.",
            {"Retry-After": str(max(1, round(wait_s)))},
        )


class ConcurrencyError(TooManyError):
    """More requests at once than a client may send."""

    def __init__(self, limit: int) -> None:
        message = f"More than {limit} searches at once; wait for an answer before the next."
        super().__init__(429, message, {"Retry-After": "1", "Connection": "close"})


class QuotaError(TooManyError):
    """More searches in a day than a client may send."""

    def __init__(self, quota: int, used: int) -> None:
        super().__init__(402, f"Search quota depleted (quota per 24 hours: {quota}, used: {used})")
        self.quota, self.used = quota, used
