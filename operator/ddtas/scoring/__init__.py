"""How well an app predicts what was kept from it: read from its output, measured against the truth."""
