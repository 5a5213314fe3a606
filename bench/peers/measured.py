"""What the peers say of themselves: how long each step took, and what came out."""

import json
import resource
import time


class Measured:
    """The clock of a run, from its first step on."""

    def __init__(self) -> None:
        self.began, self.began_cpu = time.perf_counter(), time.process_time()
        self.steps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Notes that the step of this name is done."""
        self.steps[name] = time.perf_counter() - self.began - sum(self.steps.values())

    def report(self, rows: int, tables: dict[str, tuple[int, int]]) -> None:
        """Prints JSON: seconds in all, of CPU time and of each step; rows read; the highest
        resident memory in bytes; of each table its rows and the sum of its counts, to be held
        against other computations."""
        print(json.dumps({
            "seconds": time.perf_counter() - self.began,
            "cpu_seconds": time.process_time() - self.began_cpu,
            "steps": self.steps,
            "rows": rows,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "tables": tables,
        }))
