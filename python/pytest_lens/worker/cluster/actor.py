"""The class of Ray's actors.

Ray sends it by value, as the nodes don't have our package; it then brings the package along.
"""

from __future__ import annotations

from typing import Any


class Actor:
    """Unpacks our package on the node, and passes calls on to a `Node`."""

    def __init__(self, key: str, files: dict[str, bytes], actor: str, home_root: str) -> None:
        import os
        import sys
        import tempfile

        import ray

        self.node_id: str = ray.get_runtime_context().get_node_id()
        own = f"pytest-lens-ray-{os.getuid()}"
        base = os.path.join(tempfile.gettempdir(), own, self.node_id[:12])
        os.makedirs(base, mode=0o700, exist_ok=True)
        if os.stat(os.path.dirname(base)).st_uid != os.getuid():
            raise PermissionError(f"{os.path.dirname(base)} belongs to another user; remove it")
        package = os.path.join(base, f"worker-{key}")
        for name, content in files.items():
            path = os.path.join(package, name)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            if not os.path.exists(path):
                # Other actors of the node write the same file.
                temporary = f"{path}.{os.getpid()}"
                with open(temporary, "wb") as file:
                    file.write(content)
                os.replace(temporary, path)
        sys.path.insert(0, package)
        import importlib

        module = importlib.import_module("_pytest_lens_worker.cluster.node")
        self._node = module.Node(base, actor, home_root)

    def where(self) -> str:
        """Return the id of its node."""
        return self.node_id

    def call(self, name: str, *args: Any) -> Any:
        """Call a method of the `Node`."""
        return getattr(self._node, name)(*args)
