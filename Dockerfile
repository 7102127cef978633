# The panel with everything it starts; see compose.yaml.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make procps postgresql-client \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/paas
COPY . .
RUN make .venv/.stamps/runtime

ENV PAAS_HOME=/var/lib/paas PAAS_BIND=0.0.0.0
VOLUME /var/lib/paas
EXPOSE 8080 2222 5000
CMD [".venv/bin/python", "-m", "paas.launcher"]
