"""From generated showers and full simulation to numbers, verdicts and the report.

From outside: `evaluate.evaluate_run` and `evaluate_files`, `compare_samples` for showers in
memory, `compare_evaluations` for evaluations that are done.
"""
