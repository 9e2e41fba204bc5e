"""Collects no garbage while pytest and packages are imported: imports make hardly any.

Python would look at all that is there again and again, which takes a tenth of the time of the
imports. So nothing is collected from the import of this module, the first of a fresh interpreter,
until `resume`. Thresholds say so, not `gc.disable`, which a package may call for the tests.
"""

from __future__ import annotations

import gc

_THRESHOLDS = gc.get_threshold()
gc.set_threshold(0)


def resume() -> None:
    """Collect by itself again, but nothing that is there now until it is thawed (`gc.unfreeze`)."""
    gc.freeze()
    if gc.get_threshold()[0] == 0:  # no package has set others
        gc.set_threshold(*_THRESHOLDS)
