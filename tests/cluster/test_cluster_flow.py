"""The operator at work: one Installation from first sight to serving."""

from cluster_city import STEPS, City
from cluster_kit import condition


def test_an_installation_is_calibrated_validated_and_served(city: City) -> None:
    city.start()
    flood = city.everything()
    body = flood.served()
    status = body["status"]
    assert [c["type"] for c in status["conditions"]] == [*STEPS, "Ready", "Reconciling", "Stalled"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == dict.fromkeys((*STEPS, "Ready"), "True") | {
        "Reconciling": "False",
        "Stalled": "False",
    }
    assert condition(body, "Calibrated")
