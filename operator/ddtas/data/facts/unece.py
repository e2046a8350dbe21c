"""Units by the common codes of UN/CEFACT Recommendation 20, as NGSI-LD has them in `unitCode`. Pure.

The codes that measurements in a city use, each with the unit as UCUM writes it (a hectare as pint does: ha).
"""

import re

_CODE = re.compile(r"[A-Z0-9]{2,3}")
_UNITS = {
    # length, area, volume
    "MMT": "mm",
    "CMT": "cm",
    "DMT": "dm",
    "MTR": "m",
    "KMT": "km",
    "CMK": "cm2",
    "MTK": "m2",
    "KMK": "km2",
    "HAR": "ha",
    "MLT": "mL",
    "LTR": "L",
    "CMQ": "cm3",
    "MTQ": "m3",
    # time, frequency
    "C26": "ms",
    "SEC": "s",
    "MIN": "min",
    "HUR": "h",
    "DAY": "d",
    "HTZ": "Hz",
    # speed, flow
    "MTS": "m/s",
    "KMH": "km/h",
    "MQS": "m3/s",
    "MQH": "m3/h",
    "L2": "L/min",
    # mass, concentration
    "MGM": "mg",
    "GRM": "g",
    "KGM": "kg",
    "TNE": "t",
    "KMQ": "kg/m3",
    "GL": "g/L",
    "M1": "mg/L",
    "GP": "mg/m3",
    "GQ": "ug/m3",
    # temperature, pressure
    "CEL": "Cel",
    "FAH": "degF",
    "KEL": "K",
    "PAL": "Pa",
    "A97": "hPa",
    "KPA": "kPa",
    "MBR": "mbar",
    "BAR": "bar",
    # energy, power, electricity, light
    "JOU": "J",
    "KJO": "kJ",
    "WHR": "W.h",
    "KWH": "kW.h",
    "MWH": "MW.h",
    "WTT": "W",
    "KWT": "kW",
    "MAW": "MW",
    "D54": "W/m2",
    "VLT": "V",
    "AMP": "A",
    "OHM": "ohm",
    "D10": "S/m",
    "LUX": "lx",
    "LUM": "lm",
    "CDL": "cd",
    # numbers
    "C62": "1",
    "P1": "%",
    "59": "ppm",
    "DD": "deg",
}


def unit(code: object) -> str | None:
    """The unit of a common code; UNECE:<code> for one that is not in the table; None for what is no code."""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return None
    # Not the code alone: K6 is a kilolitre, and would read as kelvin to the sixth.
    return _UNITS.get(code, f"UNECE:{code}")
