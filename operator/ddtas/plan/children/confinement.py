"""What each container is kept to, ours and an app's: Pod Security "restricted", with a root that is read-only."""

from typing import Final

from ddtas.plan.snapshot import Manifest

SECURITY_CONTEXT: Final[Manifest] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""Of a container."""
