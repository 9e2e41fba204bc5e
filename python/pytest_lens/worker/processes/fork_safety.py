"""Finds reasons why a fork is unsafe: threads, certain modules, plugins that act once a session."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterable
from typing import Any

from .. import own_code
from ..unpatched import os
from ..wire import Message
from .process_tree import LINUX

# Modules whose state does not survive a fork (thread pools, event loops, drivers).
MODULES = ("polars", "grpc", "jax", "ray")

# Plugins (packages or modules) whose session hooks may run once in each fork, and why.
HARMLESS = {
    "pytest_cov": "switched off, or the engine asks for a whole session",
    "xdist": "never distributes here",
    "_hypothesis_pytestplugin": "sessionstart sets a flag in the process",
    "_hypothesis_ftz_detector": "reads processor flags",
    "pytest_mock": "undoes patches in the process",
    "pytest_subtests": "undoes patches in the process",
    "pytest_instafail": "terminal only",
    "pytest_sugar": "terminal only",
    "pytest_rerunfailures": "repeats tests in the process; at the end only looks at the outcome",
    "pytest_django": "undoes its blocking of the database in the process",
    "pytest_recording": "undoes patches in the process",
    "pytest_pretty": "terminal only",
    # Their reports, where the project asks for them, are other modules, and not harmless.
    "pytest_html.plugin": "unregisters its report",
    "pytest_bdd.plugin": "forgets the configuration, in the process",
}

# Hooks that pytest calls once for a session: they may have effects outside it.
SESSION_HOOKS = ("pytest_sessionstart", "pytest_sessionfinish", "pytest_unconfigure")


def of_process() -> list[Message]:
    """Hazards of the process itself, for any project."""
    found: list[Message] = []
    if not LINUX:
        found.append({"kind": "platform", "detail": f"forking is not safe on {sys.platform}"})
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            found.append({"kind": "thread", "detail": f"the thread {thread.name!r} is alive"})
    for name in MODULES:
        if name in sys.modules:
            found.append({"kind": "module", "detail": f"{name} does not survive a fork"})
    for name in ("gevent.monkey", "eventlet.patcher"):
        if _patched(name):
            package = name.split(".")[0]
            found.append(
                {"kind": "module", "detail": f"{package} has patched the standard library"}
            )
    if _cuda_is_up():
        found.append({"kind": "module", "detail": "torch has initialised CUDA"})
    if _loop_is_alive():
        found.append({"kind": "asyncio", "detail": "an asyncio event loop is alive"})
    return found


def _patched(name: str) -> bool:
    module = sys.modules.get(name)
    if module is None:
        return False
    if name == "gevent.monkey":
        return bool(getattr(module, "saved", None))
    return bool(getattr(module, "already_patched", None))


def _cuda_is_up() -> bool:
    cuda: Any = sys.modules.get("torch.cuda")
    try:
        return bool(cuda is not None and cuda.is_initialized())
    except Exception:
        return False


def _loop_is_alive() -> bool:
    events: Any = sys.modules.get("asyncio.events")
    if events is None:
        return False
    policy = getattr(events, "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    loop = getattr(local, "_loop", None)
    return loop is not None and not loop.is_closed()


def harmless(names: Iterable[str]) -> set[str]:
    """The plugins that are known not to act outside of the process, with those of the settings."""
    return set(HARMLESS) | {name.replace("-", "_") for name in names}


def of_session(session: Any, known: set[str], root: str) -> list[str]:
    """Why a process that holds this collection must not be forked; empty if it may be.

    `known`: the plugins that are harmless.
    """
    reasons = [hazard["detail"] for hazard in of_process()]
    manager = session.config.pluginmanager
    for hook_name in SESSION_HOOKS:
        for implementation in getattr(manager.hook, hook_name).get_hookimpls():
            reason = reason_if_foreign(implementation.plugin, known, hook_name, root)
            if reason is not None:
                reasons.append(reason)
    for implementation in manager.hook.pytest_runtestloop.get_hookimpls():
        reason = reason_if_foreign(implementation.plugin, known, "pytest_runtestloop", root)
        if reason is not None:
            reasons.append(reason)
    if manager.hasplugin("randomly") or "pytest_randomly" in _active_plugins(manager):
        reasons.append("pytest-randomly chooses a new seed for each session")
    if _orders_at_random(session.config):
        reasons.append("pytest-random-order chooses a new order for each session")
    reasons += _foreign_cleanups(session.config, known)
    return list(dict.fromkeys(reasons))


def _orders_at_random(config: Any) -> bool:
    plugin: Any = sys.modules.get("random_order.plugin")
    try:
        return plugin is not None and bool(plugin.Config(config).is_enabled)
    except Exception:  # it is installed, and switched off
        return False


def _active_plugins(manager: Any) -> set[str]:
    return {module_of(plugin).split(".")[0] for plugin in manager.get_plugins()}


def module_of(plugin: Any) -> str:
    """The name of a plugin's module, or of the module of its class."""
    name = getattr(plugin, "__name__", None)
    if isinstance(name, str) and not isinstance(plugin, type):
        return name
    return str(type(plugin).__module__)


def _is_known(module: str, known: set[str]) -> bool:
    top = module.split(".")[0]
    return top in ("_pytest", own_code.PACKAGE) or top in known or module in known


def is_foreign(plugin: Any, known: set[str]) -> bool:
    """Whether a plugin is the project's, or unknown."""
    return not _is_known(module_of(plugin), known)


def reason_if_foreign(plugin: Any, known: set[str], hook: str, root: str) -> str | None:
    """A sentence about a plugin that implements a hook; none if the plugin is harmless."""
    if _is_known(module_of(plugin), known):
        return None
    return f"{_plugin_name(plugin, root)} implements {hook}"


def _plugin_name(plugin: Any, root: str) -> str:
    path = getattr(plugin, "__file__", None)
    if isinstance(path, str):
        relative = os.path.relpath(path, root)
        if not relative.startswith(".."):
            return relative
    return module_of(plugin)


def _foreign_cleanups(config: Any, known: set[str]) -> list[str]:
    """Plugins that registered a clean-up on the config: each fork would run it."""
    stack = getattr(config, "_cleanup_stack", None)
    if stack is not None:
        entries = [
            getattr(callback, "__wrapped__", callback) for _, callback in stack._exit_callbacks
        ]
    else:
        entries = list(getattr(config, "_cleanup", ()))
    reasons = []
    for entry in entries:
        while isinstance(entry, functools.partial):
            entry = entry.func
        module = getattr(entry, "__module__", None)
        if isinstance(module, str) and not _is_known(module, known | {"contextlib"}):
            reasons.append(f"{module} registered a clean-up with config.add_cleanup")
    return reasons
