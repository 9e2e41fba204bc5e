"""Kills and stops the engine's processes at random moments: nothing is lost, doubled or left.

`cargo xtask faults [ROUNDS] [--seed N]`. In each round edits and a run go on while a process of a
random kind (client, daemon, base, sessions, runners) is killed, or stopped and continued or killed
later. Afterwards a run without faults must have the outcomes that the suite has by construction.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from lab import GoneError, Lab, RefusedError, WrongError, begin_program
from suite import Suite
from world import binary, wait_for_exit

# The settings of the project, of which each part of the rounds has one.
SETTINGS = [
    {"executionMode": "embedded"},
    {"executionMode": "embedded", "fixtureReuse": {"enabled": True}},
    {"executionMode": "subprocess"},
]
# Rounds between two looks at history and processes, and between two settings.
LOOK, PART = 10, 25
# The longest time from the request to a fault, and for which a process is stopped, in seconds.
LATEST, STOPPED = 0.8, 1.0


class Strike(threading.Thread):
    """One fault at a random moment of a run."""

    def __init__(self, lab: Lab[Suite], random: Random) -> None:
        super().__init__(daemon=True)
        self._lab, self._random = lab, random
        self._delay = random.uniform(0, LATEST)
        self._wants_daemon = random.random() < 0.1
        self.kind = "nobody"
        self.has_ended_daemon = False

    def run(self) -> None:
        time.sleep(self._delay)
        random, daemon = self._random, self._lab.daemon.process.pid
        below: dict[int, list[int]] = {}
        for pid, depth in self._lab.tree().items():
            below.setdefault(depth, []).append(pid)
        depths = sorted(depth for depth in below if depth != 0)
        pid, depth = daemon, 0
        if not self._wants_daemon:
            if not depths:
                return
            depth = random.choice(depths)
            pid = random.choice(sorted(below[depth]))
        kills = random.random() < 0.6
        self.kind = (
            f"{'daemon' if depth == 0 else f'depth {depth}'} {'killed' if kills else 'stopped'}"
        )
        if kills:
            self._kill(pid, depth)
            return
        _signal(pid, signal.SIGSTOP)
        time.sleep(random.uniform(0, STOPPED))
        if random.random() < 0.3:
            self.kind += ", killed"
            self._kill(pid, depth)
        _signal(pid, signal.SIGCONT)

    def _kill(self, pid: int, depth: int) -> None:
        self.has_ended_daemon = depth == 0
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # It has ended by itself.


class Rounds:
    """The rounds over one suite."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.lab = Lab(folder, Suite(folder / "suite", self.random), SETTINGS[0])
        self.seen: Counter[str] = Counter()
        #: The faults of the last round.
        self.strikes: list[Strike] = []

    def play(self, number: int) -> None:
        """One round."""
        lab, random = self.lab, self.random
        if number % PART == 0:
            lab.settings = SETTINGS[number // PART % len(SETTINGS)]
            lab.expect("config_ack", "configure_context", settings=lab.settings)
            lab.reopen()
        for _ in range(random.choice([0, 1, 1, 2])):
            lab.suite.edit()
        strikes = self.strikes = [
            Strike(lab, Random(random.random())) for _ in range(random.choice([1, 1, 2]))
        ]
        paths, workers = lab.suite.some(), random.choice([None, 1, 2, 3])
        before = lab.suite.expected(paths)
        hasty = self._client() if random.random() < 0.15 else None
        edits = random.random() < 0.2
        for strike in strikes:
            strike.start()
        try:
            # With a session, all of its runners end.
            self._run(paths, workers, len(strikes) * (workers or 1), before, edits)
        except RefusedError as error:
            self.seen[f"refused: {error}"[:160]] += 1
        except GoneError:
            if not any(strike.has_ended_daemon for strike in strikes):
                raise WrongError("the daemon has ended by itself") from None
        for strike in strikes:
            strike.join()
            self.seen[strike.kind] += 1
        if hasty is not None:
            hasty.kill()
            hasty.wait()
            self.seen["client killed"] += 1
        if any(strike.has_ended_daemon for strike in strikes):
            wait_for_exit(lab.daemon.process.pid, 60)
            lab.daemon.wait()
            lab.client.close()
            lab.reader.close()
            lab.recorded.clear()
            left = lab.world.wait_until_gone()
            if left:
                raise WrongError(f"processes outlive the daemon: {left}")
            lab.start()
        lab.check_all()
        if number % LOOK == LOOK - 1:
            lab.check_history()
            lab.reopen()

    def _run(
        self, paths: list[str], workers: int | None, hits: int, before: dict[str, str], edits: bool
    ) -> None:
        lab = self.lab
        run_id = lab.begin(paths, workers)
        if edits:
            lab.suite.edit()
        run = lab.end(run_id)
        later = [] if not edits else [before]
        if edits:
            paths = [path for path in paths if (lab.suite.root / path).exists()]
        lab.check_run(paths, run, *later, hits=hits)

    def _client(self) -> subprocess.Popen[bytes]:
        """A command over the same daemon, which is killed."""
        command = [str(binary()), "run", "--connect", self.lab.daemon.socket]
        return subprocess.Popen(
            command,
            cwd=self.lab.suite.root,
            env=self.lab.world.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def main() -> int:
    options = begin_program(__doc__, "rounds", 1000)
    count, seed = options.count, options.seed
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lens-faults-", ignore_cleanup_errors=True) as folder:
        rounds = Rounds(Path(folder), seed)
        number = 0
        try:
            for number in range(count):
                rounds.play(number)
                if number % 50 == 49:
                    print(f"{number + 1} rounds, {time.monotonic() - begin:.0f} s", flush=True)
            rounds.lab.finish()
        except WrongError as error:
            last = [strike.kind for strike in rounds.strikes]
            print(f"round {number}, seed {seed}, after {last}: {error}", file=sys.stderr)
            return 1
        finally:
            for pid in rounds.lab.world.processes():
                _signal(pid, signal.SIGKILL)
    for kind, times in sorted(rounds.seen.items()):
        print(f"{times:6} {kind}")
    took = time.monotonic() - begin
    print(f"{count} rounds, {took:.0f} s, seed {seed}: nothing lost, nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
