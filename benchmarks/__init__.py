# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The benchmark: this queue and the published community addon, side by side.

    python -m benchmarks [--quick] [--only drain,latency] [--json figures.json]

Both addons are installed into twin databases of one PostgreSQL and run the same
scenarios alternately, on the same prefork server settings and by the same small
addon (`addons/bench_jobs`), which knows nothing but the public API. The published
addon is a black box: it is fetched from PyPI and put on the addons path.

Where to look:

- `cli` the command line; `bench` what a run holds; `settings` paths, ports, sizes
- `cluster` the PostgreSQL, `sides` the two addons, `servers` the Odoo servers
- `driver` the process that enqueues, `jobs` filling and watching the table
- `measure` CPU, memory, statements, commits, notifications, WAL from outside
- `slow_disk` a PostgreSQL whose flushes take longer
- `stages`, `lease_costs`, `cost_table` a job's CPU to the microsecond
- `scenarios` one module per family; `floor` what the machine can do at best
- `targets`, `report` what is to be reached, and the table
"""
