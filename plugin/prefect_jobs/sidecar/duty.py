"""A sidecar's start: its orders from stdin, its place on the machine, then its watch.

Orders come as one line of JSON, because arguments and environments can be read by everybody on the machine and orders
hold the key to Prefect. Afterwards the job tells by further lines how its body ended.
"""

import json
import mmap
import os
import signal
import sys

from prefect_jobs.sidecar.page import SIZE, Page
from prefect_jobs.sidecar.process_tree import NAME, ProcessTree
from prefect_jobs.sidecar.watch import Orders, Watch


def main() -> None:
    """Watch the job that the orders name. Ends with 0 when there is nothing to watch any more."""
    _call_myself(NAME)
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            return
        line += part
    first, _, rest = line.partition(b"\n")
    orders = Orders(json.loads(first))
    page = Page(mmap.mmap(orders.page_fd, SIZE))
    tree = ProcessTree(orders.pid, orders.pidfd, orders.mark)
    watch = Watch.of(orders, page, reports=0, tree=tree)
    watch.hear(rest)
    signal.signal(signal.SIGTERM, lambda _number, _frame: watch.hurry())
    sys.exit(0 if watch.run() else 1)


def _call_myself(name: str) -> None:
    with open("/proc/self/comm", "w") as file:
        file.write(name)
