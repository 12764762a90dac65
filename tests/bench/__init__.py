"""`make bench`: what the pipeline takes, against what others do, measured in one run. See docs/benchmarks.md."""
