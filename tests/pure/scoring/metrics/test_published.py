"""The metrics against numbers that others have published, and against spotpy, which is another's work."""

import math
from typing import Any

import numpy
import pytest
from spotpy import objectivefunctions

from ddtas.scoring.metrics import binary, classes, continuous, ensemble
from ddtas.scoring.metrics.means import Sample

spotpy: Any = objectivefunctions


def sample(observed: Any, predicted: Any, **others: Any) -> Sample:
    values = numpy.asarray(predicted, float)
    nothing = numpy.full(len(observed), numpy.nan)
    given = {"series": numpy.zeros(len(observed), int), "persistence": nothing, "climatology": nothing} | others
    return Sample(numpy.asarray(observed, float), values[:, None] if values.ndim == 1 else values, **given)


def metrics(kind: Any, rows: Sample) -> dict[str, float]:
    means = {name: numpy.array([values.mean()]) for name, values in kind.columns(rows)}
    found = {}
    with numpy.errstate(all="ignore"):
        for name, metric in kind.METRICS.items():
            try:
                found[name] = float(metric(means)[0])
            except KeyError:
                continue
    return found


def test_nse_as_the_vignette_of_hydrogof_has_it() -> None:
    """Zambrano-Bigiarini (2024), hydroGOF vignette, example 1: NSE(sim=2:11, obs=1:10) is 0.8787879."""
    observed = numpy.arange(1, 11)
    assert metrics(continuous, sample(observed, observed))["NSE"] == 1.0
    assert metrics(continuous, sample(observed, observed + 1))["NSE"] == pytest.approx(0.8787879, abs=5e-8)


@pytest.mark.parametrize("seed", range(5))
def test_numbers_as_spotpy_has_them(seed: int) -> None:
    """Houska et al. (2015), SPOTting Model Parameters Using a Ready-Made Python Package; its PBIAS is negated."""
    generator = numpy.random.default_rng(seed)
    observed = generator.gamma(2, 3, 500)
    predicted = observed * generator.normal(1.1, 0.3, 500) + generator.normal(0, 1, 500)
    found = metrics(continuous, sample(observed, predicted))
    expected = {
        "NSE": spotpy.nashsutcliffe(observed, predicted),
        "KGE": spotpy.kge(observed, predicted),
        "RSR": spotpy.rsr(observed, predicted),
        "R2": spotpy.rsquared(observed, predicted),
        "PBIAS": -spotpy.pbias(observed, predicted),
        "absPBIAS": abs(spotpy.pbias(observed, predicted)),
        "RMSE": spotpy.rmse(observed, predicted),
        "MAE": spotpy.mae(observed, predicted),
        "bias": predicted.mean() - observed.mean(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_rsr_and_pbias_as_moriasi_defines_them() -> None:
    """Moriasi et al. (2007), equations 2 and 3: RSR is the root of 1 - NSE; positive PBIAS is too little."""
    observed, predicted = [2.0, 4.0, 6.0, 8.0], [1.0, 3.0, 6.0, 8.0]
    found = metrics(continuous, sample(observed, predicted))
    assert found["RSR"] == pytest.approx(math.sqrt(2) / math.sqrt(20))
    assert found["RSR"] == pytest.approx(math.sqrt(1 - found["NSE"]))
    assert found["PBIAS"] == pytest.approx(10.0)
    assert metrics(continuous, sample(predicted, observed))["PBIAS"] == pytest.approx(-100 * 2 / 18)


def test_the_mean_of_the_observations_has_the_kge_that_knoben_computed() -> None:
    """Knoben, Freer and Woods (2019): it is 1 - sqrt(2), about -0.41, where it hardly varies; NSE is 0."""
    observed = numpy.array([1.0, 2.0, 3.0, 4.0])
    nearly = observed.mean() + 1e-6 * numpy.array([1.0, -1.0, -1.0, 1.0])
    found = metrics(continuous, sample(observed, nearly))
    assert found["KGE"] == pytest.approx(1 - math.sqrt(2), abs=1e-5)
    assert found["NSE"] == pytest.approx(0, abs=1e-5)


def test_kge_of_2012_has_the_ratio_of_coefficients_of_variation() -> None:
    """Kling, Fuchs and Paulin (2012): twice the observations have the same variation, so that only the bias counts."""
    observed = numpy.array([1.0, 2.0, 4.0, 3.0])
    found = metrics(continuous, sample(observed, 2 * observed))
    assert found["KGE2012"] == pytest.approx(0.0)
    assert found["KGE"] == pytest.approx(1 - math.sqrt(2))


FINLEY = [(1, 1)] * 28 + [(0, 1)] * 72 + [(1, 0)] * 23 + [(0, 0)] * 2680


def test_the_scores_of_finleys_tornado_forecasts() -> None:
    """Finley (1884), as WWRP's working group on verification prints it (cawcr.gov.au): 0.966, 0.549, 0.720, 0.228."""
    observed, forecast = zip(*FINLEY, strict=True)
    found = metrics(binary, sample(observed, forecast))
    assert found["accuracy"] == pytest.approx(0.966, abs=5e-4)
    assert found["POD"] == pytest.approx(0.549, abs=5e-4)
    assert found["FAR"] == pytest.approx(0.720, abs=5e-4)
    assert found["CSI"] == pytest.approx(0.228, abs=5e-4)
    assert found["F1"] == pytest.approx(2 * 0.2276 / 1.2276, abs=5e-4)  # F1 = 2 CSI / (1 + CSI)


def test_brier_and_auc_as_scikit_learn_documents_them() -> None:
    """Examples of brier_score_loss and roc_auc_score in scikit-learn's reference: 0.0375 and 0.75."""
    assert metrics(binary, sample([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]))["Brier"] == pytest.approx(0.0375)
    assert metrics(binary, sample([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))["AUC"] == pytest.approx(0.75)


def test_probabilities_that_are_all_the_same_tell_nothing() -> None:
    found = metrics(binary, sample([0, 1, 1, 0], [0.4] * 4))
    assert found["AUC"] == 0.5
    assert math.isnan(found["FAR"])  # nothing was forecast
    assert "AUC" not in metrics(binary, sample([1, 1], [0.4, 0.6]))


def test_accuracy_and_f1_of_classes_as_scikit_learn_documents_them() -> None:
    """The example of f1_score in scikit-learn's reference: macro 0.2666…; two of six are right."""
    found = metrics(classes, sample([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]))
    assert found["macroF1"] == pytest.approx(0.26666666)
    assert found["accuracy"] == pytest.approx(2 / 6)


def test_a_class_that_was_never_observed_has_no_part_in_the_mean() -> None:
    found = metrics(classes, sample([0, 0, 1, 1], [0, -1, 1, 1]))
    assert found["macroF1"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_crps_of_many_members_is_that_of_their_distribution() -> None:
    """Gneiting and Raftery (2007), equation 21: of a normal one at its mean, (sqrt(2) - 1) / sqrt(pi) = 0.2337."""
    from statistics import NormalDist

    members = numpy.array([[NormalDist(3, 2).inv_cdf((i + 0.5) / 4000) for i in range(4000)]])
    assert ensemble.crps(numpy.array([3.0]), members)[0] == pytest.approx(2 * 0.23370, abs=1e-3)


def test_the_crps_of_a_few_members_is_the_area_between_the_steps() -> None:
    """Hersbach (2000): the integral of (F(x) - H(x - y))²; members 1, 2 and 4, observed 3: 1/9 + 4/9 + 1/9."""
    assert ensemble.crps(numpy.array([3.0]), numpy.array([[4.0, 1.0, 2.0]]))[0] == pytest.approx(6 / 9)
    assert ensemble.crps(numpy.array([3.0]), numpy.array([[1.0, 1.0]]))[0] == 2.0  # one value: its absolute error


def test_coverage_is_the_share_of_observations_in_the_band() -> None:
    band = [[0, 0, 1], [0, 1, 2], [0, 2, 3], [0, 5, 6]]
    assert metrics(continuous, sample([1, 1, 1, 1], band))["coverage90"] == 0.5
    members = numpy.tile(numpy.arange(101.0), (4, 1))
    assert metrics(ensemble, sample([4.9, 5, 95, 95.1], members))["coverage90"] == 0.5


def test_skill_is_what_is_left_of_the_error_of_a_baseline() -> None:
    """Persistence: Kitanidis and Bras (1980). Climatology: Murphy (1988). By squares, by Brier or by CRPS."""
    observed = [1.0, 3.0, 2.0, 4.0]
    before = numpy.array([numpy.nan, 1.0, 3.0, 2.0])
    year = numpy.full(4, 2.5)
    found = metrics(continuous, sample(observed, [9.0, 2.0, 2.0, 4.0], persistence=before, climatology=year))
    assert found["skillPersistence"] == pytest.approx(1 - 1 / 9)  # the first day has no day before it
    assert found["skillClimatology"] == pytest.approx(1 - 65 / 5)
    members = numpy.array([[9.0, 9.0], [2.0, 2.0], [2.0, 2.0], [4.0, 4.0]])
    found = metrics(ensemble, sample(observed, members, persistence=before, climatology=year))
    assert found["skillPersistence"] == pytest.approx(1 - 1 / 5)
    assert found["skillClimatology"] == pytest.approx(1 - 9 / 4)


def test_a_skill_that_would_speak_of_a_few_rows_is_left_out() -> None:
    few = numpy.array([numpy.nan, numpy.nan, numpy.nan, 2.0])
    assert "skillClimatology" not in metrics(continuous, sample([1, 3, 2, 4], [1, 3, 2, 4], climatology=few))
