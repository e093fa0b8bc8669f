"""Runs one command and says what it took: wall-clock and CPU seconds, and its peak memory.

A process of its own, without the harness's imports: at `exec` Linux counts the memory of the process that forked
towards the child's peak, so a large parent would hide how little a small tool needs.
Usage: python -I -S launch.py COMMAND [ARGUMENT…], in the command's folder; its output goes to standard error.
"""

import json
import os
import sys
import time

command = sys.argv[1:]
streams = [(os.POSIX_SPAWN_DUP2, 2, 1)]
began = time.perf_counter()
process = os.posix_spawnp(command[0], command, os.environ, file_actions=streams)
_, status, usage = os.wait4(process, 0)
wall = time.perf_counter() - began
answer = {
    "code": os.waitstatus_to_exitcode(status),
    "wall": wall,
    "cpu": usage.ru_utime + usage.ru_stime,
    "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
}
print(json.dumps(answer))
