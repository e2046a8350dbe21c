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
