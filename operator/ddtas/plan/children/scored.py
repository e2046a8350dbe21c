"""The pod of a run that is scored: fetch, then the app, then score.

The app gets files and leaves files, and has nothing else: it is started sealed, without a network. What it is judged by
is in a volume that it does not have, and its result is the word of the container that comes after it.
"""

import hashlib
from collections.abc import Mapping

from ddtas import names
from ddtas.plan.children import fetching, orders
from ddtas.plan.snapshot import Manifest
from ddtas.scoring import order as score

SECONDS = 900
"""How much longer than its own time a run may take, because it is scored afterwards."""
_ROOM = "10Gi"
_LARGEST_FILE = 2 * 1024**3  # bytes; the limit of a volume is not kept to on each node
_OUTPUT = {"name": "DDTAS_OUTPUT", "value": names.OUTPUT_ROOT}
_TRUTH = {"name": "DDTAS_TRUTH", "value": names.TRUTH_ROOT}
_CONFIG = {"name": "DDTAS_CONFIG", "value": names.CONFIG_ROOT}


def add(pod: Manifest, image: str, order: str, phase: str, texts: Mapping[str, str], *, sealed: bool) -> None:
    """Turn the pod of a run whose data is fetched into one that is scored.

    Args:
        pod: the spec, which is changed.
        image: of the runner.
        order: the name of the ConfigMap of the orders.
        phase: which run.
        texts: the orders themselves, by key. Who may write ConfigMaps in the namespace could have other ones read.
        sealed: whether the app is started without a network.
    """
    (fetch,), (app,) = pod["initContainers"], pod["containers"]
    items = [{"key": orders.score_key(phase), "path": score.FILE}]
    pod["volumes"] += [
        {"name": "truth", "emptyDir": {"sizeLimit": _ROOM}},
        {"name": "output", "emptyDir": {"sizeLimit": _ROOM}},
        {"name": "score-order", "configMap": {"name": order, "items": items}},
        {"name": "score-scratch", "emptyDir": {"sizeLimit": _ROOM}},
    ]
    fetch["env"] += [_TRUTH, _OUTPUT]
    fetch["volumeMounts"] += [
        {"name": "truth", "mountPath": names.TRUTH_ROOT},
        {"name": "output", "mountPath": names.OUTPUT_ROOT},
    ]
    app["env"].append(_OUTPUT)
    app["volumeMounts"].append({"name": "output", "mountPath": names.OUTPUT_ROOT})
    if sealed:
        _seal(pod, fetch, app)
    pod["initContainers"].append(app)
    score_container = _score(image)
    for container, key in ((fetch, orders.key(phase)), (score_container, orders.score_key(phase))):
        digest = hashlib.sha256(texts.get(key, "").encode()).hexdigest()
        container["env"].append({"name": names.ORDER_DIGEST, "value": digest})
    pod["containers"] = [score_container]


def _seal(pod: Manifest, fetch: Manifest, app: Manifest) -> None:
    pod["volumes"].append({"name": "seal", "emptyDir": {"sizeLimit": "16Mi"}})
    fetch["env"].append({"name": "DDTAS_SEAL", "value": names.LAUNCHER})
    fetch["volumeMounts"].append({"name": "seal", "mountPath": names.SEAL_ROOT})
    app["volumeMounts"].append({"name": "seal", "mountPath": names.SEAL_ROOT, "readOnly": True})
    app["command"] = [names.LAUNCHER, f"--file-size={_LARGEST_FILE}", "--core-size=0", "--", *app["command"]]


def _score(image: str) -> Manifest:
    return fetching.runner(
        image,
        names.SCORE,
        env=[_CONFIG, _TRUTH, _OUTPUT],
        mounts=[
            {"name": "score-scratch", "mountPath": "/tmp"},  # noqa: S108 - inside the container, an emptyDir
            {"name": "truth", "mountPath": names.TRUTH_ROOT, "readOnly": True},
            {"name": "output", "mountPath": names.OUTPUT_ROOT, "readOnly": True},
            {"name": "score-order", "mountPath": names.CONFIG_ROOT, "readOnly": True},
        ],
    )
