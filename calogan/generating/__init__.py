"""From a run directory or an exported JSON to showers.

From outside: `generator.Generator`, `export.export_run`, `output` for files of showers,
`cpp_runner` for the C++ runner in Python.
"""
