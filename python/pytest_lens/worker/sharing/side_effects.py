"""Watches the effects of a collection outside this process's memory.

A collection with such effects can't be forked for several runs: each run needs one of its own, as
in plain pytest. An unasked session *prevents* the first effect: the process reports it and ends
before it happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from ..processes import fork_safety, process_exit
from ..state import Worker
from ..unpatched import os
from ..watching import audit_hook
from ..watching.disk_state import stat_of
from . import call_origin

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NO_FILES = ("/dev/", "/proc/", "pipe:")
_READ_ONLY_MAPS = (1, 3)  # mmap.ACCESS_READ, mmap.ACCESS_COPY

# At most this many are reported: one is enough to decide.
_MOST = 5


@dataclass
class Effect:
    """One effect: its description, the line that caused it, and the files that led there."""

    detail: str
    path: str | None
    line: int | None
    files: tuple[str, ...]


def _name(path: Any) -> str | None:
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    elif isinstance(path, os.PathLike):
        path = os.fspath(path)
    return path if isinstance(path, str) else None


def _open(path: Any, _mode: Any, flags: Any) -> str | None:
    name = _name(path)
    if name is None or not flags & _WRITING or name.startswith(_NO_FILES):
        return None
    return f"opens {name} for writing"


def _resolved(path: Any, folder: Any) -> str | None:
    """A path, also one that is relative to an open folder (`dir_fd`)."""
    name = _name(path)
    if name is None or not isinstance(folder, int) or folder < 0:
        return name
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)


def _on_existing(verb: str) -> Callable[..., str | None]:
    def describe(path: Any, *rest: Any) -> str | None:
        name = _resolved(path, rest[-1] if rest else None)
        # If there is nothing, the call fails and has no effect.
        return f"{verb} {name}" if name is not None and os.path.lexists(name) else None

    return describe


def _truncate(path: Any, _length: Any) -> str | None:
    return _on_existing("cuts")(path)


def _attribute(path: Any, *_rest: Any) -> str | None:
    return _on_existing("changes the attributes of")(path)


def _rename(source: Any, _target: Any, folder: Any, _other: Any) -> str | None:
    return _on_existing("renames")(source, folder)


def _mkdir(path: Any, _mode: Any, folder: Any) -> str | None:
    name = _resolved(path, folder)
    return f"makes the folder {name}" if name is not None and not os.path.lexists(name) else None


def _link(_source: Any, target: Any, *rest: Any) -> str | None:
    name = _resolved(target, rest[-1] if rest else None)
    return f"makes the link {name}" if name is not None and not os.path.lexists(name) else None


def _popen(executable: Any, args: Any, *_rest: Any) -> str | None:
    first = args[0] if isinstance(args, (list, tuple)) and args else args
    return f"starts a process ({_name(first) or _name(executable) or 'a program'})"


def _starts(*_args: Any) -> str | None:
    return "starts a process"


def _kill(_pid: Any, number: Any, *_rest: Any) -> str | None:
    return f"sends the signal {int(number)}" if number else None


def _socket(verb: str) -> Callable[..., str | None]:
    def describe(_socket: Any, address: Any = None, *_rest: Any) -> str | None:
        return f"{verb} {address}" if address else verb

    return describe


def _sqlite(database: Any, *_rest: Any) -> str | None:
    name = _name(database)
    if not name or ":memory:" in name or "mode=memory" in name or "mode=ro" in name:
        return None
    return f"opens the database {name}"


def _lock(*_args: Any) -> str | None:
    return "locks a file"


def _mmap(fileno: Any, _length: Any, access: Any = 0, *_rest: Any) -> str | None:
    return None if access in _READ_ONLY_MAPS else "maps shared memory"


def _syslog(*_args: Any) -> str | None:
    return "writes to the system's log"


_EVENTS: dict[str, Callable[..., str | None]] = {
    "open": _open,
    "os.remove": _on_existing("removes"),
    "os.rmdir": _on_existing("removes the folder"),
    "os.rename": _rename,
    "os.truncate": _truncate,
    "os.chmod": _on_existing("changes the mode of"),
    "os.chown": _on_existing("changes the owner of"),
    "os.utime": _on_existing("changes the times of"),
    "os.setxattr": _attribute,
    "os.removexattr": _attribute,
    "shutil.rmtree": _on_existing("removes the folder"),
    "os.mkdir": _mkdir,
    "os.link": _link,
    "os.symlink": _link,
    "os.lockf": _lock,
    "fcntl.flock": _lock,
    "fcntl.lockf": _lock,
    "subprocess.Popen": _popen,
    "os.system": _starts,
    "os.exec": _starts,
    "os.spawn": _starts,
    "os.posix_spawn": _starts,
    "os.fork": _starts,
    "os.forkpty": _starts,
    "pty.spawn": _starts,
    "os.kill": _kill,
    "os.killpg": _kill,
    "socket.bind": _socket("binds a socket to"),
    "socket.connect": _socket("connects to"),
    "socket.sendto": _socket("sends to"),
    "socket.sendmsg": _socket("sends to"),
    "sqlite3.connect": _sqlite,
    "mmap.__new__": _mmap,
    "syslog.syslog": _syslog,
}


class Effects:
    """Watches one session from before its arguments are read until it has collected."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._harmless = fork_safety.harmless(worker.boot.harmless)
        self.found: list[Effect] = []

    def start(self) -> None:
        """Begin to watch."""
        audit_hook.watch(_EVENTS, self._audited, audit_hook.OwnWork())

    def finish(self) -> None:
        """The session has collected: from now on its effects are those of its tests."""
        audit_hook.forget(self._audited)

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        what = _EVENTS[event](*args)
        if what is not None:
            # The caller is above this function and the hook's.
            self.note(what, depth=3)

    def note(self, what: str, depth: int = 1, prevent: bool = True) -> None:
        """Note an effect of the code `depth` frames up; an unasked session prevents it.

        `prevent`: false if it only makes a value that forks share.
        """
        if not prevent and self._worker.options.idle:
            return
        prevents = prevent and self._worker.purpose == "unasked"
        is_listed = len(self.found) < _MOST
        if not (prevents or is_listed or (prevent and not self._worker.has_acted)):
            return
        who = call_origin.find(self._harmless, self._worker.root, depth)
        if who is None:
            return
        effect = Effect(f"{who.location} {what}", who.path, who.line, who.files)
        if is_listed:
            self.found.append(effect)
        self._worker.has_acted = self._worker.has_acted or prevent
        if prevents:
            report(self._worker, effect)
            process_exit.leave(0)

    def reasons(self) -> list[str]:
        """The effects, in words for the user."""
        return [f"{effect.detail} while tests are collected" for effect in self.found]


def report(worker: Worker, effect: Effect) -> None:
    """Report why this session ends before it has collected."""
    files = [stat for stat in map(stat_of, effect.files) if stat is not None]
    worker.send({"t": "effect", "detail": effect.detail, "files": files})
