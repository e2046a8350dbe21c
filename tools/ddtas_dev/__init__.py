"""Development tooling: one command, ``./dev``, builds what is needed and runs a cluster, the images and the tests."""
