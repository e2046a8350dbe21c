"""Every reason that a condition may have: a closed list, documented here and nowhere else.

docs/reference/reasons.md is generated from it (`python -m ddtas reference --write`).
"""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Course(Enum):
    """What happens next, and who has to do something."""

    DONE = "nothing to do"
    WORKING = "the operator is at work"
    WAITING = "goes on by itself when the cause is gone"
    STALLED = "a person must act"


class Reason(StrEnum):
    """A reason, with its course and its meaning."""

    course: Course
    meaning: str

    def __new__(cls, value: str, course: Course, meaning: str) -> "Reason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.course = course
        member.meaning = meaning
        return member

    @classmethod
    def named(cls, value: str) -> "Reason":
        """The reason with that name; a status may have one that a newer operator gave."""
        return next((reason for reason in cls if reason.value == value), cls.REASON_NOT_KNOWN)

    # Accepted
    ACCEPTED = "Accepted", Course.DONE, "Listed, approved, version found, parameters valid, platform suitable."
    LISTING_NOT_FOUND = "ListingNotFound", Course.WAITING, "There is no AppListing with that name (yet)."
    LISTING_INVALID = "ListingInvalid", Course.STALLED, "The AppListing cannot be read by this operator."
    LISTING_NOT_APPROVED = (
        "ListingNotApproved",
        Course.STALLED,
        "A review score is missing or below the store's minimum.",
    )
    VERSION_NOT_FOUND = "VersionNotFound", Course.STALLED, "The listing has no such version; the message lists them."
    VERSION_CHANGED = (
        "VersionChanged",
        Course.STALLED,
        "The version was taken out of its listing, and put back with another content under the same number.",
    )
    VERSION_WITHDRAWN = (
        "VersionWithdrawn",
        Course.STALLED,
        "The version was withdrawn: what serves it keeps serving, and it is started nowhere else.",
    )
    APPROVAL_REQUIRED = (
        "ApprovalRequired",
        Course.STALLED,
        "A newer version is listed, and upgradePolicy is Manual: approve it by name.",
    )
    REVISION_NOT_KEPT = "RevisionNotKept", Course.STALLED, "spec.rollbackTo names a revision that is not kept."
    REVISION_NOT_PROVEN = (
        "RevisionNotProven",
        Course.STALLED,
        "spec.rollbackTo names a revision whose runs have not both passed.",
    )
    DATA_MIGRATED = (
        "DataMigrated",
        Course.STALLED,
        "A version that serves has changed stored data; earlier ones cannot read them.",
    )
    IMAGE_NOT_PINNED = "ImageNotPinned", Course.STALLED, "The store asks for image digests, and an image has none."
    PLATFORM_NOT_FOUND = "PlatformNotFound", Course.WAITING, "There is no such MunicipalityPlatform here (yet)."
    PLATFORM_INVALID = "PlatformInvalid", Course.STALLED, "The MunicipalityPlatform cannot be read by this operator."
    PLATFORM_UNSUITABLE = (
        "PlatformUnsuitable",
        Course.STALLED,
        "The platform lacks what the version requires, or its limits are too low.",
    )
    EGRESS_NOT_PERMITTED = (
        "EgressNotPermitted",
        Course.STALLED,
        "The version calls a server that the platform's spec.egress does not permit.",
    )
    WORKLOAD_NAMESPACE_FORBIDDEN = (
        "WorkloadNamespaceForbidden",
        Course.STALLED,
        "The platform names another namespace than its own for workloads.",
    )
    PARAMETERS_INVALID = "ParametersInvalid", Course.STALLED, "A parameter is unknown, missing, or out of bounds."

    TARGET_INVALID = (
        "TargetInvalid",
        Course.STALLED,
        "A target of the version cannot be judged: its field, or the data that has it, is not fit for it.",
    )
    ASSURANCE_TOO_LOW = (
        "AssuranceTooLow",
        Course.STALLED,
        "The evidence that the version can give is less than the store or the platform asks for.",
    )
    SCHEDULE_INVALID = (
        "ScheduleInvalid",
        Course.STALLED,
        "A schedule, time zone or age of recalibration or monitoring means nothing.",
    )

    # DataBound
    BOUND = "Bound", Course.DONE, "Each data requirement has a source that meets it."
    PROBING = "Probing", Course.WORKING, "A data source or cluster that is needed has not been probed yet."
    DATA_SOURCE_UNREACHABLE = (
        "DataSourceUnreachable",
        Course.WAITING,
        "The source that would fit cannot be read; it is tried again with growing pauses.",
    )
    REQUIREMENT_NOT_MET = (
        "RequirementNotMet",
        Course.STALLED,
        "No source meets a requirement; status.bindings lists the near-misses.",
    )
    BINDING_AMBIGUOUS = (
        "BindingAmbiguous",
        Course.STALLED,
        "Several sources fit: choose one in spec.bindings.",
    )
    BINDING_INVALID = (
        "BindingInvalid",
        Course.STALLED,
        "spec.bindings names a requirement or a data source that does not exist.",
    )
    CREDENTIALS_MISSING = (
        "CredentialsMissing",
        Course.WAITING,
        "The credentials Secret is missing, is not labelled ddtas.nl/credentials, or lacks a key.",
    )

    CREDENTIALS_UNTRIED = (
        "CredentialsUntried",
        Course.WORKING,
        "Credentials were changed, and are tried by a probe before apps get them.",
    )
    CREDENTIALS_REFUSED = (
        "CredentialsRefused",
        Course.STALLED,
        "No probe has succeeded with the changed credentials: apps keep those that they have.",
    )

    UPSTREAM_NOT_SERVING = (
        "UpstreamNotServing",
        Course.WAITING,
        "The data would come from another Installation, which does not serve it yet.",
    )
    UPSTREAM_GONE = (
        "UpstreamGone",
        Course.WAITING,
        "The data came from another Installation, which is gone or does not offer it any more.",
    )
    DEPENDENCY_CYCLE = (
        "DependencyCycle",
        Course.STALLED,
        "The data would come, over other Installations, from this one itself; the message names them all.",
    )

    OTHER_CLUSTER = (
        "OtherCluster",
        Course.STALLED,
        "A data product is in another cluster than the platform that would use it: its address leads nowhere there.",
    )
    INSIDE_CLUSTER = (
        "InsideCluster",
        Course.DONE,
        "A data product inside the city's own cluster: its address is known there only, so it is not probed.",
    )

    # Provisioned
    PROVISIONED = "Provisioned", Course.DONE, "All objects of this stage are in place."
    PROVISIONING = "Provisioning", Course.WORKING, "Objects are being made."
    TEMPLATE_INVALID = "TemplateInvalid", Course.STALLED, "A template of the listing cannot be rendered."
    TEMPLATE_FORBIDDEN = "TemplateForbidden", Course.STALLED, "A template makes something that an app may not have."
    RUNNER_NOT_SET = (
        "RunnerNotSet",
        Course.STALLED,
        "The app gets its data as files, and the operator was installed without the image that fetches them.",
    )
    NAME_TAKEN = "NameTaken", Course.STALLED, "An object of another owner has a name that is needed."
    VOLUME_OF_ANOTHER_APP = (
        "VolumeOfAnotherApp",
        Course.STALLED,
        "A volume that was kept has the name that is needed, and the data of another app.",
    )
    VOLUME_UNSUITABLE = (
        "VolumeUnsuitable",
        Course.STALLED,
        "A volume that is there is lost, or cannot become what the version asks for; nothing of it is touched.",
    )
    VOLUME_NOT_GROWN = (
        "VolumeNotGrown",
        Course.STALLED,
        "The version asks for a larger volume, and the cluster refuses to make it larger; it is tried again.",
    )
    DRIFTED = (
        "Drifted",
        Course.STALLED,
        "Objects that are needed were changed by hand, and spec.drift is Report: status.drift lists them.",
    )
    APPLY_FAILED = "ApplyFailed", Course.WAITING, "The API server refused an object; it is tried again."

    # Calibrated and Validated
    PASSED = "Passed", Course.DONE, "The run's metrics meet the thresholds."
    CALIBRATING = "Calibrating", Course.WORKING, "The calibration Job is running."
    VALIDATING = "Validating", Course.WORKING, "The validation Job is running."
    FETCHING = "Fetching", Course.WORKING, "The data of the run is being fetched."
    FETCH_FAILED = (
        "FetchFailed",
        Course.STALLED,
        "The data of a run or component could not be fetched; the message has the requirement and the source's words.",
    )
    THRESHOLD_NOT_MET = "ThresholdNotMet", Course.STALLED, "A metric does not meet its threshold."
    WINDOWS_OVERLAP = "WindowsOverlap", Course.STALLED, "Validation would use, or used, data that calibration saw."
    IMAGE_PULL_FAILED = "ImagePullFailed", Course.STALLED, "An image cannot be pulled; the node keeps trying."
    RUN_CRASHED = "RunCrashed", Course.STALLED, "The run ended with an error."
    RUN_TIMED_OUT = "RunTimedOut", Course.STALLED, "The run took longer than timeoutSeconds."
    RESULT_MISSING = "ResultMissing", Course.STALLED, "The run ended well but left no termination message."
    RESULT_TOO_LARGE = "ResultTooLarge", Course.STALLED, "The result fills the 4,096 bytes that the kubelet keeps."
    RESULT_MALFORMED = "ResultMalformed", Course.STALLED, "The result is not the JSON that the contract asks for."
    RESULT_NOT_FINITE = "ResultNotFinite", Course.STALLED, "A metric or parameter is NaN or infinite."
    METRIC_MISSING = "MetricMissing", Course.STALLED, "The result lacks a metric that has a threshold."
    TOO_UNCERTAIN = (
        "TooUncertain",
        Course.STALLED,
        "A metric meets its threshold, and its interval does not: the exam is too short to tell.",
    )
    CANNOT_SEAL = "CannotSeal", Course.STALLED, "The node cannot take the network from the app, so it was not started."
    OUTPUT_MISSING = "OutputMissing", Course.STALLED, "The app did not write a file that it was asked for."
    OUTPUT_UNREADABLE = (
        "OutputUnreadable",
        Course.STALLED,
        "A file that the app wrote is a link, no regular file, or cannot be read by others.",
    )
    OUTPUT_TOO_LARGE = "OutputTooLarge", Course.STALLED, "A file that the app wrote is larger than the contract allows."
    OUTPUT_MALFORMED = "OutputMalformed", Course.STALLED, "A file that the app wrote is not what the contract asks for."
    PREDICTIONS_INCOMPLETE = (
        "PredictionsIncomplete",
        Course.STALLED,
        "Predictions are missing, or there are more than were asked for; the message counts them.",
    )
    PREDICTIONS_NOT_FINITE = "PredictionsNotFinite", Course.STALLED, "A prediction is no finite number."
    HOLDOUT_EXHAUSTED = (
        "HoldoutExhausted",
        Course.STALLED,
        "Too many attempts at this exam have failed on the platform: only data that none of them was judged on opens"
        " another one.",
    )
    HOLDOUT_EMPTY = "HoldoutEmpty", Course.STALLED, "There is nothing in the data that the app could be judged on."
    METRIC_UNDEFINED = (
        "MetricUndefined",
        Course.STALLED,
        "A metric that has a threshold cannot be computed from this data, such as NSE of constant values.",
    )
    POD_ALTERED = (
        "PodAltered",
        Course.STALLED,
        "The pod of a run has other containers, images or mounts than the operator gave it: it proves nothing.",
    )
    SCORING_FAILED = "ScoringFailed", Course.STALLED, "The container that scores ended with an error."

    # Serving
    SERVING = "Serving", Course.DONE, "The Service leads to this revision, and its evidence holds."
    ROLLING_OUT = "RollingOut", Course.WORKING, "The components are starting."
    ROLLOUT_FAILED = "RolloutFailed", Course.STALLED, "A component does not become ready."
    KEEPS_SERVING = "KeepsServing", Course.WORKING, "An earlier revision serves while this one is not there yet."
    NOT_SERVING = "NotServing", Course.WAITING, "Nothing serves."

    # ProductsPublished
    PRODUCT_WITHHELD = (
        "ProductWithheld",
        Course.STALLED,
        "A data product is not published: its data sources leave no purpose or legal basis that it could have.",
    )

    # UpToDate
    NEWEST_VERSION = "NewestVersion", Course.DONE, "The listing has no newer version in this channel."
    VERSION_FAILED = (
        "VersionFailed",
        Course.STALLED,
        "The newest version is asked for, and does not come to serve; Ready says why.",
    )
    VERSION_PINNED = "VersionPinned", Course.DONE, "A newer version is listed, and the spec keeps to another one."
    VERSION_DEPRECATED = "VersionDeprecated", Course.STALLED, "The version is deprecated; it serves all the same."

    # ClusterReachable of a MunicipalityPlatform with a cluster of its own, and Ready of the Installations on it
    CLUSTER_REACHABLE = "ClusterReachable", Course.DONE, "The city's cluster answers, and is the one that it was."
    CLUSTER_CONNECTING = "ClusterConnecting", Course.WORKING, "The city's cluster has not answered yet."
    KUBECONFIG_MISSING = (
        "KubeconfigMissing",
        Course.WAITING,
        "The Secret of the kubeconfig is missing, is not labelled ddtas.nl/credentials, or lacks the key.",
    )
    KUBECONFIG_INVALID = "KubeconfigInvalid", Course.STALLED, "The kubeconfig is incomplete, or cannot be read."
    KUBECONFIG_FORBIDDEN = (
        "KubeconfigForbidden",
        Course.STALLED,
        "The kubeconfig asks for a program, a file, a proxy, or something else that the operator does not do.",
    )
    CLUSTER_ADDRESS_FORBIDDEN = (
        "ClusterAddressForbidden",
        Course.WAITING,
        "The kubeconfig leads to an address that the operator may not connect to.",
    )
    CLUSTER_IS_HOME = (
        "ClusterIsHome",
        Course.STALLED,
        "The kubeconfig leads to the cluster that the operator itself runs in, which no city's own cluster can be.",
    )
    CLUSTER_UNREACHABLE = (
        "ClusterUnreachable",
        Course.WAITING,
        "The city's cluster does not answer. What runs there runs on; the operator catches up by itself.",
    )
    CLUSTER_UNAUTHORIZED = (
        "ClusterUnauthorized",
        Course.WAITING,
        "The city's cluster does not accept the kubeconfig's credentials, or they have too few rights there.",
    )
    CLUSTER_REPLACED = (
        "ClusterReplaced",
        Course.STALLED,
        "The kubeconfig leads to another cluster or namespace than before: nothing is done there.",
    )
    STATUS_REFUSED = (
        "StatusRefused",
        Course.WAITING,
        "Only an Event: the API server does not take the object's status; what the status says is out of date.",
    )
    ABANDONED = "Abandoned", Course.DONE, "Only an Event: what is on a cluster that cannot be reached was let go of."
    VOLUMES_KEPT = "VolumesKept", Course.DONE, "Only an Event: a deleted Installation's volumes are kept, data and all."
    REMOVING = "Removing", Course.WORKING, "The Installation is being deleted: its objects in the city are removed."

    # Any
    WAITING = "Waiting", Course.WAITING, "An earlier condition must hold first."
    SUSPENDED = (
        "Suspended",
        Course.STALLED,
        "spec.suspend is true, here or of the platform: what is there stays, nothing new is done.",
    )
    PLANNED = "Planned", Course.STALLED, "spec.mode is Plan: nothing is done, and status.plan says what would be."
    HAS_CONSUMERS = (
        "HasConsumers",
        Course.WAITING,
        "It is deleted, and stays until no other Installation uses its data products (spec.removal is Wait).",
    )
    OPERATOR_ERROR = (
        "OperatorError",
        Course.STALLED,
        "The operator has a fault that this object brings out: report it, with its log. It is tried again; no other"
        " object is affected.",
    )
    SPEC_INVALID = "SpecInvalid", Course.STALLED, "The object cannot be read by this operator."

    REASON_NOT_KNOWN = (
        "ReasonNotKnown",
        Course.STALLED,
        "The status has a reason that this version of the operator does not know: another version wrote it.",
    )

    # AppListing and MunicipalityPlatform
    LISTED = "Listed", Course.DONE, "The app may be installed."
    SOURCES_REACHABLE = "SourcesReachable", Course.DONE, "Every data source that can be probed could be read."
    NO_SOURCES = "NoSources", Course.DONE, "The platform offers no data source."
    SOURCES_UNREACHABLE = "SourcesUnreachable", Course.WAITING, "Some data sources cannot be read."
    NOT_OFFERED = "NotOffered", Course.WAITING, "spec.accepts names a data product that nobody offers to this platform."
    SOURCES_CONFORMANT = (
        "SourcesConformant",
        Course.DONE,
        "The data is what its contracts promise, as far as can be seen.",
    )
    CAPABILITIES_SUFFICIENT = (
        "CapabilitiesSufficient",
        Course.DONE,
        "The platform's cluster has what listings ask of it.",
    )
    CAPABILITIES_MISSING = (
        "CapabilitiesMissing",
        Course.STALLED,
        "The platform's cluster lacks what some listings ask of it; the message has what each of them misses.",
    )
    CAPABILITIES_UNKNOWN = (
        "CapabilitiesUnknown",
        Course.STALLED,
        "It is not known whether the cluster has what listings ask of it: declare it, or grant the right to read it.",
    )
    SOURCES_NOT_CONFORMANT = (
        "SourcesNotConformant",
        Course.STALLED,
        "Data is otherwise than its contract promises; status.dataSources[].faults says where.",
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not."""

    reason: Reason
    message: str
