"""From a run directory or an exported JSON to showers.

From outside: `generator.Generator`, `output.generate_file` for files of showers, `model_file` for
what a JSON says, `reference` for full simulation to compare with; `calogan.runner` is the public
face of `cpp_runner`.
"""
