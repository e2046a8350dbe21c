# A tag can move. For a release, name the base by its digest: --build-arg BASE=python:3.13-slim@sha256:…
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY operator/ddtas /opt/operator/ddtas
COPY tools/ddtas_dev/sbom.py ./
# The root file system is read-only at run time: compile now, not at each start. pip is not needed any more.
RUN /opt/venv/bin/python -m compileall -q /opt/operator \
    && PYTHONPATH=/opt/operator /opt/venv/bin/python sbom.py requirements.lock > /opt/sbom.cdx.json \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

# The runner (--target runner): fetches the data of apps as tables, and scores what they predict. It has what GDAL and
# DuckDB need, and no operator.
FROM ${BASE} AS build-runner
WORKDIR /src
COPY requirements-runner.lock ./
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: \
       -r requirements-runner.lock
COPY operator/ddtas/__init__.py operator/ddtas/errors.py operator/ddtas/names.py operator/ddtas/redaction.py \
     operator/ddtas/imports.py /opt/runner/ddtas/
COPY operator/ddtas/confined /opt/runner/ddtas/confined
COPY operator/ddtas/data /opt/runner/ddtas/data
COPY operator/ddtas/runner /opt/runner/ddtas/runner
COPY operator/ddtas/schema /opt/runner/ddtas/schema
COPY operator/ddtas/scoring /opt/runner/ddtas/scoring
COPY tools/ddtas_dev/sbom.py ./
# What is left must still import.
RUN /opt/venv/bin/python -m compileall -q /opt/runner \
    && PYTHONPATH=/opt/runner /opt/venv/bin/python sbom.py requirements-runner.lock > /opt/sbom.cdx.json \
    && PYTHONPATH=/opt/runner /opt/venv/bin/python -c "import pyogrio, ddtas.runner.fetch, ddtas.runner.follow, ddtas.runner.score" \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

# The launcher of sealed runs: static, for the architecture of the image. The compiler stays in this stage.
FROM ${BASE} AS build-seal
WORKDIR /src
COPY seal/requirements.lock ./
RUN python3 -m venv /opt/compiler \
    && /opt/compiler/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY seal/seal.c seal/build ./
RUN PYTHON=/opt/compiler/bin/python ./build "$(uname -m)" /opt/seal

FROM ${BASE} AS runner
ARG BASE
ARG REVISION=
LABEL org.opencontainers.image.title="ddtas-runner" \
      org.opencontainers.image.description="Fetches the data of a digital-twin app as tables, and scores its predictions" \
      org.opencontainers.image.licenses="EUPL-1.2" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build-runner /opt/venv /opt/venv
COPY --from=build-runner /opt/runner /opt/runner
COPY --from=build-seal /opt/seal /opt/runner/seal
COPY --from=build-runner /opt/sbom.cdx.json /usr/share/doc/ddtas-runner/sbom.cdx.json
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/runner PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 ARROW_DEFAULT_MEMORY_POOL=system
USER 65532:65532
ENTRYPOINT ["python", "-m", "ddtas.runner"]
CMD ["fetch"]

FROM ${BASE}
ARG BASE
ARG REVISION=
LABEL org.opencontainers.image.title="ddtas-operator" \
      org.opencontainers.image.description="Installs, calibrates and validates digital-twin apps on a city's platform" \
      org.opencontainers.image.licenses="EUPL-1.2" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/operator /opt/operator
# What is in it, but for what the base brings: CycloneDX.
COPY --from=build /opt/sbom.cdx.json /usr/share/doc/ddtas-operator/sbom.cdx.json
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/operator PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "ddtas"]
CMD ["run"]
