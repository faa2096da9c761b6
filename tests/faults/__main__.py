"""The long run: ``make faults SCHEDULES=10000 SEED=1 RUNS=20``. Exits with 1 when an invariant broke."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.faults.long import prepare, schedules

BATCH = 250


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--schedules", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--runs", type=int, default=0, help="repetitions of the whole crash matrix")
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = options.parse_args()
    prepare()
    from tests.faults.invariants import Counts

    total, began = Counts(), time.monotonic()
    with ProcessPoolExecutor(
        asked.processes, multiprocessing.get_context("spawn"), initializer=prepare
    ) as pool:
        end = asked.seed + asked.schedules
        batches = [
            pool.submit(schedules, first, min(BATCH, end - first)) for first in range(asked.seed, end, BATCH)
        ]
        for batch in as_completed(batches):
            total += batch.result()
            print(f"{time.monotonic() - began:6.0f} s: {total}", flush=True)
            for what in batch.result().broken:
                print(f"BROKEN {what}", flush=True)
    if asked.runs:
        from tests.faults.matrix import whole

        total += whole(asked.runs)
    print(f"Faults: {total}; broken {len(total.broken)}", flush=True)
    for what in total.broken[:20]:
        print(f"BROKEN {what}", flush=True)
    if total.broken:
        print("Run a seed again: make faults SCHEDULES=1 SEED=<seed>", flush=True)
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
