"""`make bench`: how fast the bridge is beside plain programs that do the same, in one run.

What is measured, and what it came to, stands in `docs/performance.md`.
"""
