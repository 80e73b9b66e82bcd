"""Connections that say too little for too long, or come in too great numbers, are closed.

A server of events does not mind a thousand idle connections, but the table of open files does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: From the first byte of a request to the end of its head.
HEAD_S = 10.0
#: Connections of one client to one worker, of a browser six.
CONNECTIONS_PER_CLIENT = 128

_open_by_client: Counter[str] = Counter()

# The class is chosen by uvicorn when it is imported, by what is installed.
_Base: Any = AutoHTTPProtocol


class PatientButNotForever(_Base):  # type: ignore[misc]
    """uvicorn's protocol with a limit on the time that a head takes, and on connections."""

    _head_timer: asyncio.TimerHandle | None = None
    _counted: str | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the connection, unless its client has too many."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if _open_by_client[address] >= CONNECTIONS_PER_CLIENT:
            transport.abort()
            return
        self._counted = address
        _open_by_client[address] += 1
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        if self._counted is not None:
            _open_by_client[self._counted] -= 1
            if not _open_by_client[self._counted]:
                del _open_by_client[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what has come, and see whether that was a whole head."""
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._head_timer is None:
            self._wait_for_head()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self._is_answering():
            self.transport.abort()
