"""Calibration, validation and monitoring: when they are due, and what they showed."""
