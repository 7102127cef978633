# The panel: every part of it, started as `python -m paas.launcher PART`; see compose.yaml.
# Debian 12 with Python 3.11, Nix 2.8 and PostgreSQL 15's client: what the test suite runs on.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make nix-bin postgresql-client procps \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /var/lib/paas --no-create-home paas \
    # Docker gives a new volume the owner that its folder has here.
    && install --directory --owner paas --group paas --mode 0700 \
      /var/lib/paas /var/lib/paas-nix /run/paas

WORKDIR /srv/paas
COPY . .
# By the hashes of the lock; compiled here, for the root is read-only when it runs.
RUN UV_COMPILE_BYTECODE=1 make .venv/.stamps/runtime \
    && .venv/bin/python -m compileall -q paas apps buildpacks

USER paas
ENV PATH=/srv/paas/.venv/bin:$PATH \
    PAAS_HOME=/var/lib/paas \
    PAAS_RUN=/run/paas \
    PAAS_NIX_STORE=/var/lib/paas-nix \
    PAAS_BIND=0.0.0.0
EXPOSE 8080 2222 5000
CMD ["python", "-m", "paas.launcher"]
