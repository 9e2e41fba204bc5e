"""Measures whether `run --affected` misses a test that a change breaks: a mutation bench.

For each mutant, plain pytest runs every test; a test that passed before and does not pass now must
be among those that `pytest-lens run --affected` selects. Where every test is selected none can be
missed, and nothing runs. Where most are, plain pytest runs the others alone, and all only if one of
them breaks then, or by way of trial.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import suites
from mutants import BODIES, KINDS, Mutant, mutants
from trees import EVERYTHING, FAILURES, UNCOLLECTED, Lens, Plain, broken

# Where a larger share of the tests is selected, the others run alone.
MOST = 0.5
# One of so many runs has all tests all the same.
TRIALS = 8
# A mutant may ask for all the memory of the machine.
MEMORY = 8 << 30


def covered(test: str, selected: set[str]) -> bool:
    """Whether a selection has a test, its file or its class."""
    parts = test.split("[", 1)[0].split("::")
    above = ("::".join(parts[:count]) for count in range(1, len(parts) + 1))
    return EVERYTHING in selected or test in selected or any(one in selected for one in above)


def is_missed(test: str, after: dict[str, str], selected: set[str]) -> bool:
    """Whether nobody learns that a broken test is broken."""
    return not covered(test, selected) and not (test not in after and UNCOLLECTED in selected)


@dataclass(frozen=True)
class Result:
    """The outcome of one mutant."""

    suite: str
    seed: int
    kind: str
    where: str
    # Shares of all tests.
    selected: float
    by_imports: float | None
    # The number of tests that it breaks; None if every test was selected.
    broken: int | None
    missed: list[str]
    # Whether all tests ran, not just those that were not selected.
    is_whole: bool = True
    # The time of each step.
    seconds: dict[str, float] = field(default_factory=dict)


class Bench:
    """Changes a suite, one place at a time."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._name = options.real or options.suite.name
        self._lens = Lens(options, folder / "a", "idle" if options.idle else "run")
        self._imports = Lens(options, folder / "b", "off") if options.imports else None
        self._plain = Plain(options, folder / "c")
        self._lenses = [one for one in (self._lens, self._imports) if one]
        self._trees = [*self._lenses, self._plain]
        self._seconds: dict[str, float] = {}
        for one in self._lenses:
            one.run_all()
        if options.idle:
            self._lens.wait_for_records()
        self._tests = self._plain.steady
        if not self._tests:
            raise SystemExit(f"no test of {options.suite} passes")

    def close(self) -> None:
        for one in self._trees:
            one.close()

    def results(self, known: set[tuple[str, str, str]]) -> Iterator[Result]:
        """Play mutants; those that are known already do not count."""
        left = self._options.count
        root = self._plain.root
        for mutant in mutants(root, self._options.sources, self._options.seed):
            if left == 0:
                return
            if (self._name, mutant.kind, mutant.where) in known:
                continue
            raw = (root / mutant.path).read_bytes()
            content = mutant.content(raw)
            if content is not None:
                left -= 1
                yield self._play(mutant, raw, content)

    def _play(self, mutant: Mutant, raw: bytes, content: bytes) -> Result:
        self._seconds = {}
        for one in self._trees:
            one.write(mutant.path, content)
        try:
            with self._timed("select"):
                selected = self._lens.selected()
            failing, missed, is_whole = self._judge(mutant, selected)
            by_imports = None
            if self._imports:
                with self._timed("imports"):
                    by_imports = self._share(self._imports.selected())
            if self._options.run and EVERYTHING not in selected:
                with self._timed("run"):
                    self._lens.run("--affected", f"--maxfail={FAILURES}")
        finally:
            for one in self._trees:
                one.write(mutant.path, raw)
        if self._options.run:
            with self._timed("run again"):
                self._lens.run("--affected")
        return Result(
            suite=self._name,
            seed=self._options.seed,
            kind=mutant.kind,
            where=mutant.where,
            selected=self._share(selected),
            by_imports=by_imports,
            broken=None if failing is None else len(failing),
            missed=missed,
            is_whole=is_whole,
            seconds={step: round(took, 3) for step, took in self._seconds.items()},
        )

    def _judge(
        self, mutant: Mutant, selected: set[str]
    ) -> tuple[list[str] | None, list[str], bool]:
        """The tests that break, if any test can be missed; those missed; whether all tests ran."""
        others = {test for test in self._tests if not covered(test, selected)}
        if not others:
            return None, [], False
        is_trial = zlib.crc32(mutant.where.encode()) % TRIALS == 0
        if len(others) < (1 - MOST) * len(self._tests) and not is_trial:
            with self._timed("others"):
                after = self._plain.run(set(self._plain.before) - others)
            failing = [test for test in broken(self._plain.before, after) if test in others]
            if not any(is_missed(test, after, selected) for test in failing):
                return failing, [], False
        failing, missed = self._run_all(selected)
        if missed:
            # Now and then a test fails by itself, or takes too long.
            again = self._run_all(selected)[1]
            missed = [test for test in missed if test in again]
        return failing, missed, True

    def _run_all(self, selected: set[str]) -> tuple[list[str], list[str]]:
        with self._timed("all"):
            after = self._plain.run()
        failing = [test for test in broken(self._plain.before, after) if test in self._tests]
        return failing, [test for test in failing if is_missed(test, after, selected)]

    def _share(self, selected: set[str]) -> float:
        """The share of tests that are selected."""
        return sum(covered(test, selected) for test in self._tests) / len(self._tests)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[step] = self._seconds.get(step, 0) + time.monotonic() - began


def table(results: list[Result]) -> str:
    """A table of the results, in Markdown."""
    rows = [(kind, [one for one in results if one.kind == kind]) for kind in KINDS]
    rows.append(("all changes in bodies", [one for one in results if one.kind in BODIES]))
    suites = sorted({one.suite for one in results})
    if len(suites) > 1:
        rows += [(suite, [one for one in results if one.suite == suite]) for suite in suites]
    rows.append(("all", results))
    lines = [
        "| change | seeds | mutants | all selected | others ran | all ran | broke tests"
        " | tests missed | selected (mean) | by imports |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in rows:
        if not found:
            continue
        selected = sum(one.broken is None for one in found)
        whole = sum(one.broken is not None and one.is_whole for one in found)
        killed = sum(bool(one.broken) for one in found)
        missed = sum(len(one.missed) for one in found)
        mean = sum(one.selected for one in found) / len(found)
        known = [one.by_imports for one in found if one.by_imports is not None]
        by_imports = f"{sum(known) / len(known):.1%} of {len(known):,}" if known else ""
        seeds = ", ".join(str(seed) for seed in sorted({one.seed for one in found}))
        row = [
            name,
            seeds,
            f"{len(found):,}",
            f"{selected:,}",
            f"{len(found) - selected - whole:,}",
            f"{whole:,}",
            f"{killed:,}",
            str(missed),
            f"{mean:.1%}",
            by_imports,
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def is_wrong(result: Result) -> bool:
    """Whether a test is missed, or more is selected than by imports alone."""
    by_imports = 1 if result.by_imports is None else result.by_imports
    return bool(result.missed) or by_imports < result.selected


def read(path: Path) -> list[Result]:
    """The results in a file."""
    return [Result(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> int:
    """Measure one suite, or make a table of earlier results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, help="the suite's folder; it is copied")
    parser.add_argument("--real", choices=suites.CODE, help="a real suite, made ready if need be")
    parser.add_argument("--sources", default=".", help="the folder with the code to change")
    parser.add_argument("--path", default=".", help="the folder for PYTHONPATH")
    parser.add_argument("--python", type=os.path.abspath)
    parser.add_argument("--binary", type=os.path.abspath)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--imports", action="store_true", help="compare with imports alone")
    parser.add_argument("--idle", action="store_true", help="record each test in idle time")
    parser.add_argument(
        "--run", action="store_true", help="run the selected tests, so that records follow"
    )
    parser.add_argument(
        "--results",
        type=Path,
        help="a file to which each result is added; mutants that it has are not played again",
    )
    parser.add_argument("--table", type=Path, nargs="+", help="print the table of these results")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.table:
        print(table([result for path in options.table for result in read(path)]))
        return 0
    if options.real:
        real = suites.ready(options.real)
        options.suite, options.python = real.root, str(real.python)
        options.sources, options.path = real.sources, real.path
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # It ends the processes that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    is_kept = options.results is not None and options.results.exists()
    kept = read(options.results) if is_kept else []
    results = []
    with tempfile.TemporaryDirectory(prefix="impact-") as folder:
        bench = Bench(options, Path(folder))
        try:
            for result in bench.results({(one.suite, one.kind, one.where) for one in kept}):
                results.append(result)
                if options.results:
                    with options.results.open("a") as file:
                        print(json.dumps(asdict(result)), file=file)
                if is_wrong(result):
                    print(f"WRONG {result}", flush=True)
                elif options.verbose:
                    print(result, flush=True)
        finally:
            bench.close()
    print(table(results))
    is_good = not any(map(is_wrong, results)) and any(one.broken for one in results)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
