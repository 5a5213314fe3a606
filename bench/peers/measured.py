"""What the peers say of themselves: how long each step took, and what came out."""

import json
import os
import resource
import time


def cpu_seconds() -> float:
    """CPU time of this process and of those it has started, once they have ended."""
    return sum(os.times()[:4])


def peak_bytes() -> int:
    """The highest resident memory of the largest of them."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return max(resource.getrusage(one).ru_maxrss for one in who) * 1024


class Measured:
    """The clock of a run, from its first step on."""

    def __init__(self) -> None:
        self.began, self.began_cpu = time.perf_counter(), cpu_seconds()
        self.steps: dict[str, float] = {}
        self.cpu = 0.0

    def lap(self, name: str) -> None:
        """Notes that the step of this name is done."""
        self.steps[name] = time.perf_counter() - self.began - sum(self.steps.values())
        self.cpu = cpu_seconds() - self.began_cpu

    def report(self, rows: int, tables: dict[str, tuple[int, int]]) -> None:
        """Prints JSON: seconds of all steps, and of each; of CPU time; rows read; the highest
        resident memory in bytes; of each table its rows and the sum of its counts, to be held
        against other computations."""
        print(json.dumps({
            "seconds": sum(self.steps.values()),
            "cpu_seconds": self.cpu,
            "steps": self.steps,
            "rows": rows,
            "peak_bytes": peak_bytes(),
            "tables": tables,
        }))
