"""CPU time of a complete relocation on the tabletop, and of a copy of its world, in milliseconds: the minimum of
several runs.

.venv/bin/python bench/tabletop.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import NAME, World

ROUNDS = 5


def main() -> None:
    for shapes_of_case in ((), (Shape.ETCD_36,), (Shape.THREE_POOLS,), (Shape.NEIGHBOUR,)):
        show("+".join(shapes_of_case) or "plain", World.prepared(shapes.options(frozenset(shapes_of_case))))


def show(title: str, prepared: World) -> None:
    observed = prepared.clone()
    Observation(observed, NAME, source=1, pace=EASY).begin()
    copying = least(prepared.clone)
    moving = least(lambda: relocate(prepared))
    watched = least(lambda: relocate(observed))
    print(f"{title:16} copy {copying:6.1f}   relocation {moving:7.1f}   relocation, observed {watched:7.1f}")


def relocate(world: World) -> None:
    ending = Operator(world.clone()).relocate()
    if ending.error is not None:
        raise ending.error


def least(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) * 1000


if __name__ == "__main__":
    main()
