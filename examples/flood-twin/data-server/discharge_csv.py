"""Make the supplier's CSV from the example data inside the spotpy wheel. Runs when the image is built.

What the wheel has (spotpy/examples/hymod_python/hymod_input.csv): semicolons, dates as DD.MM.YYYY, 1,827 days from
2012-01-01 to 2016-12-31, and the columns

- ``rainfall[mm]``: rain of the day in mm, taken over as ``precipitation_mm``;
- ``TURC [mm d-1]``: potential evapotranspiration after Turc in mm/d, taken over as ``potential_evapotranspiration_mm``;
- ``Discharge[ls-1]``: daily mean discharge in **litres per second**, divided by 1,000 to be ``discharge_m3s``. The
  header says l/s, spotpy's own example assumes it (it turns mm/d over 1.783 km2 into l/s), and the water balance
  confirms it: read so, 28 to 39 % of a year's rain runs off. The 366 days of 2012 are ``nan`` there and empty here.

The rain of 1 to 17 January 2012 equals that of 2013 to the last digit: filled in, not measured. For a warm-up it
will do.

The data are part of spotpy (MIT licence; Houska et al., 2015, PLoS ONE 10, e0145180). They come from a small rural
catchment and stand in for a city's gauge: nothing here was measured in a Dutch municipality.
"""

from __future__ import annotations

import os
import sys
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

MEMBER = "spotpy/examples/hymod_python/hymod_input.csv"
HEADER = ["Date", "rainfall[mm]", "TURC [mm d-1]", "Discharge[ls-1]"]


def convert(text: str) -> str:
    """The wheel's file as the supplier publishes it: commas, ISO dates, SI units, line feeds.

    :raises ValueError: if the header is not the one that this conversion was written for, or a row cannot be read. A
        new release with other units must fail here and not become wrong data.
    """
    lines = text.splitlines()
    if lines[0].split(";") != HEADER:
        raise ValueError(f"{MEMBER}: header is {lines[0]!r}, expected {';'.join(HEADER)!r}; check the units again")
    rows = ["date,precipitation_mm,potential_evapotranspiration_mm,discharge_m3s"]
    for number, line in enumerate(lines[1:], 2):
        try:
            day, rain, evapotranspiration, litres = line.split(";")
            date = datetime.strptime(day, "%d.%m.%Y").date().isoformat()
            # Decimal: shifting the point is exact, so no digit is invented.
            cubic_metres = "" if litres == "nan" else format(Decimal(litres) / 1000, "f")
            rows.append(f"{date},{Decimal(rain):f},{Decimal(evapotranspiration):f},{cubic_metres}")
        except (ValueError, ArithmeticError) as error:
            raise ValueError(f"{MEMBER}, line {number}: {line!r} cannot be read: {error}") from None
    return "\n".join(rows) + "\n"


def main() -> None:
    """``discharge_csv.py WHEEL TARGET``; the target gets the date that the file has in the wheel, for Last-Modified."""
    wheel, target = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(MEMBER).decode("ascii")
        stamp = datetime(*archive.getinfo(MEMBER).date_time, tzinfo=UTC).timestamp()
    Path(target).write_text(convert(text), "ascii", newline="\n")
    os.utime(target, (stamp, stamp))


if __name__ == "__main__":
    main()
