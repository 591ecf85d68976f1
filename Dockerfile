# runflow-relay as an image. How to run it: docs/deploying.md; why it is made like this: docs/decisions/0046 and 0047.
# It builds alike with docker (BuildKit), buildah and podman (these two: `--format docker`, or HEALTHCHECK is dropped).
# `make image` fills in the labels, and lends the build what this machine's pip is told (index, proxy, authorities).

# Any image of Debian's kind with Python 3.11 or newer and pip. A release names it by its digest as well:
#   --build-arg PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:...
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie
# That of pyproject.toml: the build fails when it is another.
ARG VERSION=0.1.0

# --- tools: what builds and what lists; nothing of it is in the image -------------------------------
FROM ${PYTHON_IMAGE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/build.txt requirements/sbom.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    python3 -m venv --without-pip tools \
 && python3 -m pip --python tools/bin/python install --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip lister \
 && tools/bin/pip --python lister/bin/python install --require-hashes -r requirements/sbom.txt

# --- relay: an environment without pip, every wheel by its hash -------------------------------------
FROM tools AS relay
COPY requirements/runtime.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    python3 -m venv --without-pip /opt/relay \
 && tools/bin/pip --python /opt/relay/bin/python install --no-compile \
      --only-binary :all: --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY relay relay
COPY image/entrypoint.py image/healthcheck.py /opt/relay/libexec/
ARG VERSION
# From a wheel and by its name: so nothing installed speaks of a folder that is not there. Compiled here, as
# nobody may write there later; by content, so that no file's time matters.
RUN tools/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir wheels . \
 && tools/bin/pip --python /opt/relay/bin/python install --no-compile \
      --no-deps --no-index --find-links wheels "runflow-relay==${VERSION}" \
 && /opt/relay/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/relay/lib \
 && rm -f /opt/relay/.gitignore /opt/relay/bin/[Aa]ctivate* \
 && ln -s /var/lib/relay /opt/relay/var \
 && chmod -R a+rX,go-w /opt/relay

# --- sbom: what is in that environment, and in the base ---------------------------------------------
FROM relay AS sbom
COPY image/sbom.py ./
RUN lister/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
      --spec-version 1.6 --output-format JSON --output-reproducible \
      --output-file python.cdx.json /opt/relay/bin/python \
 && lister/bin/python sbom.py python.cdx.json > relay.cdx.json

# --- sbom-file: `--target sbom-file` with docker's `--output` takes it out without the image ---------
FROM scratch AS sbom-file
COPY --from=sbom /build/relay.cdx.json /

# --- the image --------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS image
# The base's pip has nothing to do here, and nothing may change who it runs as. Whoever runs it owns what it writes
# in the folder for data; all else is root's.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/*-packages/pip /usr/local/lib/python3*/*-packages/pip-* \
      /usr/local/lib/python3*/ensurepip \
 && find / -xdev -type f -perm /6000 -exec chmod ug-s {} + \
 && install -d -m 1777 /var/lib/relay \
 && install -d -m 0755 /etc/relay
COPY --from=relay /opt/relay /opt/relay
COPY --from=sbom /build/relay.cdx.json /opt/relay/share/relay.cdx.json

ENV PATH=/opt/relay/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/nonexistent \
    PYTHONDONTWRITEBYTECODE=1 \
    RELAY_CONFIG=/etc/relay/relay.yaml
# `data_dir` begins here where the configuration does not say it: /opt/relay/var is /var/lib/relay.
WORKDIR /opt/relay
USER 65532:65532
# The operator's listener is not for everybody: it is not published by `-P`.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
  CMD ["/opt/relay/bin/python", "-I", "-S", "/opt/relay/libexec/healthcheck.py"]
ENTRYPOINT ["/opt/relay/bin/python", "-P", "/opt/relay/libexec/entrypoint.py"]
CMD ["serve"]

ARG PYTHON_IMAGE
ARG VERSION
# What changes with every commit is told by `--label` (revision, created, source): an argument does not make
# buildah's layers anew, and the label would be that of an earlier build.
LABEL org.opencontainers.image.title="runflow-relay" \
      org.opencontainers.image.description="Receives Runflow's run callbacks, keeps every one, and delivers each finished run as one CloudEvent to Kafka, HTTP endpoints and files." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      io.runflow.relay.sbom="/opt/relay/share/relay.cdx.json"
