"""Scenes of one lap placed on another: ``python -m benchmarks locate``."""

from __future__ import annotations

from benchmarks.locate.run import main

__all__ = ["main"]
