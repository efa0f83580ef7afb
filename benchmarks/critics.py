"""How fast a training is with a convolutional critic, against the dense one of the shipped card.

    python benchmarks/critics.py build/train.h5 [--layout CONV|...] [--updates 20] [--repeat 3]

Prints updates per second of wall and of processor time, and their ratios, from one run: the best
of several, taken in turns, so that other work on the machine weighs on both alike.
"""

from __future__ import annotations

import argparse
import time

from calogan.card.keys import Card
from calogan.card.loading import load_card
from calogan.reading import store
from calogan.training.loop import new_trainer

LAYOUT = (
    "CONV|16|3|3|2|2|1|1|LEAKYRELU,CONV|32|3|3|2|2|1|1|LEAKYRELU,RESHAPE|FLAT,DENSE|320|LEAKYRELU"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("store", help="showers of the shipped card, by `calogan voxelize`")
    parser.add_argument("--layout", default=LAYOUT, help="of the critic's head for voxels")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()

    fields = load_card().model_dump()
    critics = {"dense": {}, "convolutional": {"layout": options.layout}}
    showers = store.load(options.store)
    trainers = {
        name: new_trainer(Card.model_validate({**fields, "critic": critic}), showers)
        for name, critic in critics.items()
    }
    for name, trainer in trainers.items():
        start = time.process_time()
        trainer.advance(options.updates)
        print(
            f"{name}: {trainer.critic.count_params():,} weights in the critic, "
            f"compiled in {time.process_time() - start:.0f} s of processor time"
        )
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in trainers}
    for _ in range(options.repeat):
        for name, trainer in trainers.items():
            wall, processor = time.perf_counter(), time.process_time()
            trainer.advance(options.updates)
            times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    for clock, unit in enumerate(("wall", "processor")):
        best = {name: min(t[clock] for t in taken) for name, taken in times.items()}
        speeds = ", ".join(f"{name} {options.updates / t:.1f}" for name, t in best.items())
        ratio = best["convolutional"] / best["dense"]
        print(f"updates per second of {unit} time: {speeds}; {ratio:.1f} times as long")


if __name__ == "__main__":
    main()
