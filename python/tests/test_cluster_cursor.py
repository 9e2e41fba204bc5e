"""The events of an actor on their way home, without Ray: calls fail, answers get lost.

The log of the actor, the calls and the relay are the real ones; a seed decides the faults.
"""

from __future__ import annotations

import random
import sys
import threading
import types
from typing import Any

import pytest

from pytest_lens.worker.cluster.actors import ClusterError, Remote
from pytest_lens.worker.cluster.driver import Relay
from pytest_lens.worker.cluster.event_log import EventLog

RUNNER = "remote-1"


class FakeRay(types.ModuleType):
    """Carries calls to an actor, and loses some of them on the way there or back."""

    def __init__(self, log: EventLog, seed: int) -> None:
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(
            ActorUnavailableError=type("ActorUnavailableError", (Exception,), {}),
            GetTimeoutError=type("GetTimeoutError", (Exception,), {}),
            RayActorError=type("RayActorError", (Exception,), {}),
        )
        self._log = log
        self._random = random.Random(seed)
        self._calls = 0
        self.lost = 0
        self.is_dead = False
        self.call = types.SimpleNamespace(remote=lambda *call: call)

    def get(self, call: tuple[Any, ...], timeout: float) -> Any:
        """Return the actor's answer, if the call and the answer arrive."""
        name, acknowledged, _, gather = call
        assert name == "exchange"
        self._calls += 1
        # Enough for every event by far: one that is lost fails the test instead of holding it up.
        if self.is_dead or self._calls > 1_000:
            raise self.exceptions.RayActorError
        if self._random.random() < 0.2:
            self.lost += 1
            raise self.exceptions.ActorUnavailableError
        answer = self._log.read(acknowledged, 0.005, gather, lambda: None, 0.005)
        if self._random.random() < 0.2:
            self.lost += 1
            raise self.exceptions.ActorUnavailableError
        # A part of it: the rest is in the next answer.
        return answer[: self._random.randint(0, 6)]


class Home(Relay):
    """A relay that notes what it would pass on to the engine."""

    def __init__(self) -> None:
        order: dict[str, Any] = {"host": RUNNER}
        driver = types.SimpleNamespace(gather=0.005)
        super().__init__(driver, order, {})  # type: ignore[arg-type]
        self.passed: list[Any] = []

    def _pass(self, remote: Remote, kind: str, frame: bytes = b"") -> None:
        self.passed.append((kind, frame))

    def _tell_exit(self, code: int | None, signal: int | None) -> None:
        self.passed.append(("exited", code))


@pytest.mark.parametrize("seed", range(12))
def test_no_event_is_lost_doubled_or_out_of_order(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    log = EventLog()
    ray = FakeRay(log, seed)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr("pytest_lens.worker.cluster.actors._RETRY_INTERVAL", 0)
    remote = Remote(ray)
    frames = [("frame", str(number).encode()) for number in range(60)]

    def run_tests() -> None:
        for kind, frame in frames:
            if frame.endswith(b"7"):
                log.add("file", "output", 0, b"printed")
            log.add(kind, "remote-0", b"of an earlier runner")
            log.add(kind, RUNNER, frame, is_busy=frame.endswith(b"3"))
        log.add("exited", RUNNER, 0, None)

    monkeypatch.setattr("pytest_lens.worker.cluster.driver._write", lambda *part: None)
    actor = threading.Thread(target=run_tests)
    actor.start()
    home = Home()
    assert home._pass_events(remote) is None
    actor.join()
    assert home.passed == [*frames, ("exited", 0)]
    assert ray.lost > 0


def test_an_actor_that_has_ended_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog()
    ray = FakeRay(log, 1)
    monkeypatch.setitem(sys.modules, "ray", ray)
    ray.is_dead = True
    with pytest.raises(ClusterError, match="it has ended"):
        Home()._pass_events(Remote(ray))


@pytest.mark.parametrize(("signal", "is_lost"), [(None, False), (9, True)])
def test_an_exit_by_a_signal_may_be_the_loss_of_its_node(
    monkeypatch: pytest.MonkeyPatch, signal: int | None, is_lost: bool
) -> None:
    log = EventLog()
    log.add("exited", RUNNER, None if signal else 0, signal)
    ray = FakeRay(log, 1)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr("pytest_lens.worker.cluster.actors._RETRY_INTERVAL", 0)
    forgotten: list[bool] = []
    driver = types.SimpleNamespace(
        gather=0.005,
        send=lambda message: None,
        forget=lambda name, is_lost: forgotten.append(is_lost),
        actors=types.SimpleNamespace(give_back=lambda remote, is_usable: None),
    )
    relay = Relay(driver, {"host": RUNNER}, {})  # type: ignore[arg-type]
    monkeypatch.setattr(relay, "_begin", lambda: Remote(ray))
    relay.run()
    assert forgotten == [is_lost]
