"""What a classifier still sees, as event weights or as rejection.

From outside: `fit` learns a `refiner.Refiner`, `refiner.refined` makes a generator with it, `files`
keeps it and gives stores of showers their weights.
"""
