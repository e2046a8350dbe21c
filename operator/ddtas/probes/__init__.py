"""Live checks of data sources: one module a protocol, one line in the registry.

Every source is hostile input: a look at it is bounded in time and bytes, connects only where the policy allows, and
keeps nothing of the data but facts.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ddtas.api.datasource import DataKind
from ddtas.probes import (
    http_csv,
    http_geojson,
    http_parquet,
    mqtt,
    ngsi_ld,
    ogc_api_features,
    postgresql,
    s3,
    sensorthings,
    tiles_3d,
    wfs,
)
from ddtas.probes.addresses import AddressPolicy
from ddtas.probes.base import Limits, Look, Probe, Reason, Target

__all__ = ["REGISTRY", "AddressPolicy", "Limits", "Look", "Probe", "Reason", "Target"]

REGISTRY: Mapping[DataKind, Probe] = MappingProxyType(
    {
        DataKind.HTTP_CSV: http_csv.probe,
        DataKind.HTTP_GEOJSON: http_geojson.probe,
        DataKind.HTTP_PARQUET: http_parquet.probe,
        DataKind.OGC_API_FEATURES: ogc_api_features.probe,
        DataKind.S3: s3.probe,
        DataKind.SENSORTHINGS: sensorthings.probe,
        DataKind.WFS: wfs.probe,
        DataKind.POSTGRESQL: postgresql.probe,
        DataKind.MQTT: mqtt.probe,
        DataKind.TILES_3D: tiles_3d.probe,
        DataKind.NGSI_LD: ngsi_ld.probe,
    }
)
