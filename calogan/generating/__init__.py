"""From a run directory or an exported JSON to showers.

From outside: `generator.Generator`, `export.export_run`, `profiles` for export to other programs,
`output.generate_file` for files of showers, `reference` for full simulation to compare with;
`calogan.runner` is the public face of `cpp_runner`.
"""
