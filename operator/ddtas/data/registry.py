"""Live checks of data sources: one package a protocol, one line in the registry.

Every source is hostile input: a session with it is bounded in time and bytes, connects only where the policy allows,
and keeps nothing of the data but facts.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from ddtas.data.contract import DataKind
from ddtas.data.discretion import discreetly
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import Probe, ProbeSession


def _of(module: str) -> Probe:
    """The probe of a package of `ddtas.data.kinds`, which is imported when a source of its kind first is probed.

    A city has few kinds, and the libraries of some take megabytes.
    """

    async def probe(session: ProbeSession) -> SourceFacts:
        probe_of_kind: Probe = import_module(f"ddtas.data.kinds.{module}.probe").probe
        return await discreetly(probe_of_kind, session)

    return probe


REGISTRY: Mapping[DataKind, Probe] = MappingProxyType(
    {
        DataKind.HTTP_CSV: _of("http_csv"),
        DataKind.HTTP_GEOJSON: _of("http_geojson"),
        DataKind.HTTP_PARQUET: _of("http_parquet"),
        DataKind.GEOPACKAGE: _of("geopackage"),
        DataKind.HTTP_JSON: _of("http_json"),
        DataKind.OGC_API_FEATURES: _of("ogc_api_features"),
        DataKind.OGC_EDR: _of("ogc_edr"),
        DataKind.WFS: _of("wfs"),
        DataKind.ARCGIS_FEATURE_SERVER: _of("arcgis_feature_server"),
        DataKind.SENSORTHINGS: _of("sensorthings"),
        DataKind.NGSI_LD: _of("ngsi_ld"),
        DataKind.POSTGRESQL: _of("postgresql"),
        DataKind.MQTT: _of("mqtt"),
        DataKind.S3: _of("s3"),
        DataKind.TILES_3D: _of("tiles_3d"),
    }
)
