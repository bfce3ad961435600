# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Starting processes that cannot outlive the benchmark, and stopping them by id."""

import ctypes
import signal
import subprocess
import sys

import psutil

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: int = signal.SIGTERM):
    """Return a hook for Popen: the child gets `number` when its parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def hook() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, number)

    return hook


def tree(pid: int) -> list[psutil.Process]:
    """The process and all its descendants which are alive."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def stop(process: subprocess.Popen, number: int, patience: float) -> None:
    """Ask a process to end; what of its tree is left after `patience` is killed."""
    family = tree(process.pid)
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    for member in family:
        try:
            if member.pid != process.pid and member.is_running():
                member.kill()
        except psutil.NoSuchProcess:
            continue


def cpu_seconds(pid: int) -> float:
    """CPU of a process tree, ended and awaited children included."""
    total = 0.0
    for member in tree(pid):
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if member.pid == pid:
            total += times.children_user + times.children_system
    return total
