"""A first status that only says that something is under way waits for a moment."""

import time

import pytest

from ddtas.reconcile.pacing import Grace


def test_a_grace_begins_once_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    grace, key = Grace(), ("city", "flood")
    first = grace.left(key)
    assert first > 0
    now += first / 2
    assert grace.left(key) == pytest.approx(first / 2)
    now += first
    assert grace.left(key) == 0
    grace.end(key)
    assert grace.left(key) == first, "a namesake has its own"
