"""The C++ runner from Python: public names of `calogan.generating.cpp_runner` and `.cpp_bundle`.

from calogan import runner

generator = runner.Generator.load("generator.json")
energies = generator.generate({"energy": [10, 20], "theta": 0.1}, seed=1)  # MeV, (2, n_voxels)
"""

from calogan.generating.cpp_bundle import Bundle, BundleCondition, BundlePart
from calogan.generating.cpp_runner import Generator, Placement, SparseShowers, compile_model

__all__ = [
    "Bundle",
    "BundleCondition",
    "BundlePart",
    "Generator",
    "Placement",
    "SparseShowers",
    "compile_model",
]
