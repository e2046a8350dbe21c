"""Why an output cannot be scored."""

from enum import StrEnum

from ddtas.errors import Reasoned


class ScoreReason(StrEnum):
    """Why there is no score: a closed list, shown in the status of an Installation."""

    OUTPUT_MISSING = "OutputMissing"
    """The app did not write a file that it was asked for."""

    OUTPUT_UNREADABLE = "OutputUnreadable"
    """A file that the app wrote is a link, no regular file, or cannot be read by others."""

    OUTPUT_TOO_LARGE = "OutputTooLarge"
    """A file that the app wrote is larger than the contract allows, or there is no room for what is to be reported."""

    OUTPUT_MALFORMED = "OutputMalformed"
    """A file that the app wrote is not what the contract asks for."""

    PREDICTIONS_INCOMPLETE = "PredictionsIncomplete"
    """Predictions are missing, come twice, or were not asked for."""

    PREDICTIONS_NOT_FINITE = "PredictionsNotFinite"
    """A prediction is no finite number."""

    HOLDOUT_EMPTY = "HoldoutEmpty"
    """There is nothing in the data that the app could be judged on."""

    TRUTH_MALFORMED = "TruthMalformed"
    """The data that the app is judged on is not fit for it."""

    METRIC_UNDEFINED = "MetricUndefined"
    """A metric that is bounded cannot be computed from this data, such as NSE of constant values."""

    ORDER_ALTERED = "OrderAltered"
    """What is to be scored is not what the run was made for."""

    INTERNAL_ERROR = "InternalError"
    """A fault of the scorer itself."""


class ScoreError(Reasoned):
    """An output cannot be scored: a ScoreReason, and what is wrong, where, and what to do next."""
