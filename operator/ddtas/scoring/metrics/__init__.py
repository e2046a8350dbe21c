"""The metrics: each a function of means over rows, so that one that is drawn again needs the means alone.

The formulas, ranges and sources are in docs/evidence.md.
"""
