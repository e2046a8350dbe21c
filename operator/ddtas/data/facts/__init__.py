"""From what comes by to facts: fields, times, places and numbers of records."""
