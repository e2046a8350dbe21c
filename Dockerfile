ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY operator/ddtas /opt/operator/ddtas
# The root file system is read-only at run time: compile now, not at each start. pip is not needed any more.
RUN /opt/venv/bin/python -m compileall -q /opt/operator \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

FROM ${BASE}
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/operator /opt/operator
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/operator PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "ddtas"]
CMD ["run"]
