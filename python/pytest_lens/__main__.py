"""`python -m pytest_lens`: the same command line as the binary `pytest-lens`."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from . import _native, interpreter


def main() -> NoReturn:
    """Run the command line, and end the process with its exit status."""
    # The command line handles Ctrl-C itself; Python would add a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    interpreter.activate()
    arguments = sys.argv[1:]
    status = _native.main(["pytest-lens", *arguments])
    sys.stdout.flush()
    sys.stderr.flush()
    # Ends at once: a thread of the language server may still wait for input.
    os._exit(status)


if __name__ == "__main__":
    main()
