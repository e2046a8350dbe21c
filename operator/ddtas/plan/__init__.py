"""The decision: pure functions of what was observed. No I/O, no clock, no chance."""
