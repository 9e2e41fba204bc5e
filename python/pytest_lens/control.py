"""Run control: runs of several suites, their events, artifacts and cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Union, cast

from . import messages

Suite = Union[str, dict[str, Any]]


class RunControl:
    """The requests of run control, as methods of an engine.

    A *suite* is a test file, a folder or a node id; a *case* is one test. An engine answers one
    call at a time, and a call that waits for events or data blocks the others: a program that wants
    to stop a run in the meantime opens a second engine on the same project.
    """

    def _request(self, kind: str, **fields: Any) -> Any:
        raise NotImplementedError

    def _in_context(self, kind: str, **fields: Any) -> Any:
        raise NotImplementedError

    def enumerate_cases(self, test_url: str) -> messages.CaseIterator | messages.LaunchError:
        """Return an iterator over the cases of a suite, for :meth:`next_cases`, or the reason why
        there is none.
        """
        answer = self._in_context("enumerate_cases", test_url=test_url)
        return cast("messages.CaseIterator | messages.LaunchError", answer)

    def next_cases(self, iterator_id: str) -> messages.Cases:
        """Return the next batch of cases; empty when there are no more."""
        return cast(messages.Cases, self._request("next_cases", iterator_id=iterator_id))

    def build_run(
        self, suites: Sequence[Suite], *, max_parallel_suites: int | None = None
    ) -> messages.RunBuilt:
        """Run suites, each a path or id, or a dict ``{"test_url": …, "options": {…}}``.

        Closing this engine kills the run.
        """
        answer = self._in_context(
            "build_run",
            suites=[{"test_url": it} if isinstance(it, str) else it for it in suites],
            scheduling_options={"max_parallel_suites": max_parallel_suites},
        )
        return cast(messages.RunBuilt, answer)

    def run_events(self, run_id: str) -> messages.RunEvents:
        """Wait for events of a run; empty when it is over."""
        return cast(messages.RunEvents, self._request("get_run_events", run_id=run_id))

    def suite_events(self, suite_id: str) -> messages.SuiteEvents | messages.LaunchError:
        """Wait for events of a suite; empty when it is over."""
        answer = self._request("get_suite_events", suite_id=suite_id)
        return cast("messages.SuiteEvents | messages.LaunchError", answer)

    def stop_suite(self, suite_id: str) -> messages.ControlAck:
        """Let running tests of a suite finish, and start no more of it."""
        return cast(messages.ControlAck, self._request("stop_suite", suite_id=suite_id))

    def kill_suite(self, suite_id: str) -> messages.ControlAck:
        """Kill a suite's processes now."""
        return cast(messages.ControlAck, self._request("kill_suite", suite_id=suite_id))

    def read_artifact(self, artifact_id: str) -> messages.ArtifactData:
        """Wait for the next bytes of an artifact."""
        return cast(messages.ArtifactData, self._request("read_artifact", artifact_id=artifact_id))

    def artifact(self, artifact_id: str) -> Iterator[bytes]:
        """Yield the bytes of an artifact as they arrive, to the end."""
        done = False
        while not done:
            answer = self.read_artifact(artifact_id)
            done = answer["done"]
            yield answer["data"]

    def next_debug_data(self, iterator_id: str) -> messages.DebugData:
        """Return the next files of debug data; empty when there are no more."""
        return cast(messages.DebugData, self._request("next_debug_data", iterator_id=iterator_id))

    def release_directory(self, token: str) -> messages.ControlAck:
        """Release a custom artifact: the engine removes its folder."""
        return cast(messages.ControlAck, self._request("release_directory", token=token))
