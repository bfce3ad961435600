# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The command line: choose scenarios, run them alternately, print the table."""

import argparse
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from . import cost_table, floor, report, scenarios
from .bench import Bench
from .cluster import Cluster
from .settings import FULL, QUICK, Paths, Ports, Sizes, bench_dir
from .sides import OURS, REFERENCE, make_sides


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="small sizes, < 5 min")
    parser.add_argument("--only", default="", help="families or scenarios, by comma")
    parser.add_argument("--side", choices=[REFERENCE, OURS], help="one side alone")
    parser.add_argument("--rounds", type=int, help="how often each scenario runs")
    parser.add_argument("--no-floor", action="store_true", help="skip the floor")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--rst", type=Path, help="write the table for the README")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    sizes = QUICK if options.quick else FULL
    only = [name.strip() for name in options.only.split(",") if name.strip()]
    chosen = scenarios.select(only, quick=options.quick)
    if options.list:
        print("\n".join(f"{scenario.name:28} {scenario.title}" for scenario in chosen))
        return 0
    # a polite kill must reach the `finally` clauses that stop the servers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return Run(options, sizes, chosen).execute()


def _only_run(directory: Path):
    """Two runs at once would share ports and databases, and spoil each other."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("Another run of the benchmark is under way.") from None
    return lock


class Run:
    """One call of the benchmark."""

    def __init__(self, options, sizes: Sizes, chosen: list) -> None:
        self.options = options
        self.sizes = sizes
        self.chosen = chosen
        self.rounds = options.rounds or sizes.rounds
        self.results = report.Results()
        self.floor: dict = {}
        self.failures = 0
        self._start = time.monotonic()

    def execute(self) -> int:
        ports = Ports()
        cluster = Cluster(bench_dir(), ports.postgres)
        wanted = [self.options.side] if self.options.side else [REFERENCE, OURS]
        bench = None
        lock = _only_run(bench_dir())
        try:
            cluster.start()
            sides = make_sides(cluster, Paths.find(), wanted)
            for side in sides:
                self.say(f"preparing {side.name}")
                side.prepare()
            bench = Bench(self.sizes, cluster, sides, ports)
            self._measure(bench)
            self._print(cluster, bench)
        finally:
            if bench:
                bench.close()
                for side in bench.sides:
                    side.drop_databases()
            cluster.stop()
            lock.close()
        return 1 if self.failures else 0

    def _measure(self, bench: Bench) -> None:
        if not self.options.no_floor:
            self.say("floor")
            self.floor = floor.measure(bench, bench.sides[-1])
            loop = {"rate": floor.two_process_loop(self.floor)}
            self.results.add("floor_loop", "machine", loop)
        for scenario in self.chosen:
            for _ in range(min(self.rounds, scenario.rounds)):
                for side in bench.sides:
                    if scenario.only in (None, side.name):
                        self._run(bench, scenario, side)

    def _run(self, bench: Bench, scenario, side) -> None:
        """Run one scenario; a failure costs this figure, not the whole run."""
        start = time.monotonic()
        try:
            figures = scenario.run(bench, side)
        except Exception:
            self.failures += 1
            traceback.print_exc()
            bench.close()
            side.prepare()
            return
        bench.idle_since[side.name] = time.monotonic()
        self.results.add(scenario.name, side.name, figures)
        shown = ", ".join(f"{k} {report.number(v)}" for k, v in figures.items())
        seconds = time.monotonic() - start
        self.say(f"{scenario.name} {side.name} ({seconds:.0f} s): {shown}")

    def _print(self, cluster: Cluster, bench: Bench) -> None:
        machine = report.machine(cluster)
        print(f"\n{machine}; {time.monotonic() - self._start:.0f} s\n")
        rows = report.rows(self.chosen, self.results)
        print(report.table(rows))
        if self.options.rst:
            self.options.rst.write_text(report.rst_table(rows))
        if bench.costs:
            print(f"\n{cost_table.table(bench.costs)}")
        if self.floor:
            print("\nThe floor on this machine:\n" + report.floor_lines(self.floor))
        if self.options.json:
            content = {
                "machine": machine,
                "floor": self.floor,
                "figures": self.results.as_json(),
            }
            self.options.json.write_text(json.dumps(content, indent=1) + os.linesep)

    def say(self, text: str) -> None:
        elapsed = time.monotonic() - self._start
        print(f"[{elapsed:5.0f} s] {text}", file=sys.stderr, flush=True)
