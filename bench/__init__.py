"""Benchmarks with bars: ``spacesgg bench NAME``. One file each, results in ``bench/results``."""
