# One image for the server and the gateway. `docker build -t stratopt:0.1.0 .`, or `docker compose build`: see
# docs/operations.md.
#
# The base is pinned by tag in both stages; the venv is only good for the Python it was made with. Pin the digest
# too where your registry tells it: python:...@sha256:...

FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /build

# What building a wheel needs, out of the lock that has it: in a venv that stays behind in this stage.
COPY requirements/demo.txt requirements/image.txt requirements/
RUN python -m venv /opt/tools \
    && awk '/^[a-z]/ {wanted = $1 ~ /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/} wanted' \
        requirements/demo.txt > requirements/build.txt \
    && /opt/tools/bin/python -m pip install --require-hashes --requirement requirements/build.txt

# What the project runs on. This layer is built anew only when the lock changes.
RUN python -m venv /opt/stratopt \
    && /opt/stratopt/bin/python -m pip install --require-hashes --requirement requirements/image.txt

# The project itself, without its dependencies: the lock has them.
COPY pyproject.toml README.md ./
COPY clients/python clients/python
COPY gateway gateway
COPY server server
RUN /opt/tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /build/dist . \
    && /opt/stratopt/bin/python -m pip install --no-deps --no-index /build/dist/stratopt-*.whl \
    && /opt/stratopt/bin/python -m pip check \
    && /opt/stratopt/bin/python -m pip uninstall --yes pip setuptools


FROM python:3.11.14-slim-bookworm

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="stratopt" \
      org.opencontainers.image.description="Which parameters of a strategy may trade a symbol, and the evidence for it" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The numbers are fixed, so that a volume keeps its owner from one image to the next. The folders are made here,
# because a new volume takes over the owner of what it is mounted on.
RUN groupadd --gid 10001 stratopt \
    && useradd --uid 10001 --gid stratopt --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stratopt \
    && install --directory --owner=stratopt --group=stratopt --mode=0700 /var/lib/stratopt /var/cache/stratopt

# Owned by root and already compiled to bytecode: the process can neither change its code nor needs to write any.
COPY --from=build /opt/stratopt /opt/stratopt

ENV PATH=/opt/stratopt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STRATOPT_LISTEN=0.0.0.0:50051 \
    STRATOPT_DATA_DIR=/var/lib/stratopt \
    STRATOPT_CACHE_DIR=/var/cache/stratopt

# Mount a volume on each of the two folders. Kernels are compiled at the first start and kept in the cache: they fit
# one kind of processor, so they cannot come with the image.
WORKDIR /var/lib/stratopt
USER 10001:10001

# gRPC; packages and requests over ZeroMQ; metrics; the gateway's HTTP
EXPOSE 50051 5556 5557 9464 8080

# The exec form needs no shell. The start period covers a first start, which compiles.
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --start-interval=2s --retries=3 \
    CMD ["python", "-m", "stratopt_server", "health", "127.0.0.1:50051"]

STOPSIGNAL SIGTERM
# The gateway: --entrypoint python IMAGE -m stratopt_gateway
ENTRYPOINT ["python", "-m", "stratopt_server"]
