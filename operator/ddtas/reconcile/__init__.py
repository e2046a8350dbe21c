"""One object, once: observe, decide, apply, report."""
