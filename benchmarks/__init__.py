"""What is timed: run with ``python -m benchmarks``. Figures are ratios within one run, so machines do not matter."""
