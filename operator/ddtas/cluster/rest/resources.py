"""Where each kind lives in the API."""

from dataclasses import dataclass

from ddtas.names import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind and its path in the API.

    Attributes:
        kind: the kind's name.
        prefix: `/api/v1`, or `/apis/GROUP/VERSION`.
        plural: the last part of a list's path.
    """

    kind: str
    prefix: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a list (without `name`) or an object."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        rest = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{self.prefix}{scope}/{self.plural}{rest}"


APP_LISTING = ResourceType("AppListing", f"/apis/{GROUP}/{VERSION}", "applistings")
PLATFORM = ResourceType("MunicipalityPlatform", f"/apis/{GROUP}/{VERSION}", "municipalityplatforms")
INSTALLATION = ResourceType("Installation", f"/apis/{GROUP}/{VERSION}", "installations")
SECRET = ResourceType("Secret", "/api/v1", "secrets")
NAMESPACE = ResourceType("Namespace", "/api/v1", "namespaces")
EVENT = ResourceType("Event", "/api/v1", "events")

# The kinds of our children, all of which are watched by label.
CHILDREN = (
    ResourceType("ConfigMap", "/api/v1", "configmaps"),
    SECRET,
    ResourceType("Service", "/api/v1", "services"),
    ResourceType("Pod", "/api/v1", "pods"),
    ResourceType("ControllerRevision", "/apis/apps/v1", "controllerrevisions"),
    ResourceType("Deployment", "/apis/apps/v1", "deployments"),
    ResourceType("Job", "/apis/batch/v1", "jobs"),
    ResourceType("NetworkPolicy", "/apis/networking.k8s.io/v1", "networkpolicies"),
    ResourceType("PersistentVolumeClaim", "/api/v1", "persistentvolumeclaims"),
)
BY_KIND = {resource.kind: resource for resource in (APP_LISTING, PLATFORM, INSTALLATION, EVENT, *CHILDREN)}
