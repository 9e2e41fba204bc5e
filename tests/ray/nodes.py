"""A Ray cluster of several nodes on this machine.

It is a process of its own, which takes orders as lines on its standard input.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Ray replaces loopback addresses otherwise.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


class Nodes:
    """Nodes with one CPU each; the first is the head."""

    def __init__(self, count: int, temporary: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(count)],
            env={**os.environ, **_LOOPBACK, "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the cluster has ended"
        return line

    def _order(self, order: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._answer()

    def add(self) -> str:
        """Start a node. Returns the beginning of its id."""
        return self._order("add")

    def kill(self, node: str) -> None:
        """Kill a node's processes at once."""
        assert self._order(f"kill {node}") == "killed"

    def drain(self, node: str) -> None:
        """Announce a node's end, as the provider of a spot machine does."""
        assert self._order(f"drain {node}") == "draining"

    def others(self) -> list[str]:
        """Return the beginnings of the ids of the nodes that are not the head."""
        return self.all()[1:]

    def all(self) -> list[str]:
        """Return the beginnings of the ids of all nodes, with that of the head first."""
        return self._order("list").split()

    def end(self) -> None:
        """End all nodes."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@contextmanager
def cluster(count: int) -> Iterator[Nodes]:
    """Return the nodes of a cluster, which ends with the block."""
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="lens-ray-", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(count, Path(folder))
        try:
            yield nodes
        finally:
            nodes.end()


def _serve(count: int) -> None:
    from ray.cluster_utils import Cluster

    memory = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**memory, "include_dashboard": False})
    others = {}

    def add() -> str:
        node = cluster.add_node(**memory)
        others[node.node_id[:8]] = node
        return str(node.node_id[:8])

    for _ in range(count - 1):
        add()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        order, _, name = line.strip().partition(" ")
        if order == "add":
            print(add(), flush=True)
        elif order == "list":
            print(cluster.head_node.node_id[:8], *others, flush=True)
        elif order == "drain":
            _drain(cluster.address, others[name].node_id)
            print("draining", flush=True)
        else:
            cluster.remove_node(others.pop(name), allow_graceful=False)
            print("killed", flush=True)
    # A graceful end waits half a minute for each node.
    for node in [*others.values(), cluster.head_node]:
        cluster.remove_node(node, allow_graceful=False)


def _drain(address: str, node: str) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", address]
    command += ["--node-id", node, "--deadline-remaining-seconds", "600"]
    command += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "it goes"]
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
