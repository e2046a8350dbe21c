"""Two twins above the flood twin: a district's, fed by a stream's forecast, and a city's, fed by a district's.

Both are small, and both are calibrated: on the city's own discharge series, which has the history a forecast lacks.
The district's is judged by the platform; the city's, which says how one day follows from the day before, only reports.
"""
