# A node of AI Market: `docker build -t aimarket .`; without torch, for nodes that run no model:
# `docker build --build-arg EXTRAS= -t aimarket:light .` docs/operating.md says how to run it.
FROM python:3.11.14-slim-bookworm AS build

# The compiler is for the few packages that come as source; none of it is in the final image.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends build-essential libgmp-dev \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY bootstrap bootstrap
COPY consensus consensus
COPY node node
COPY protocol protocol
ARG EXTRAS=[ml]
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/aimarket \
 && /opt/aimarket/bin/pip install --no-cache-dir --constraint constraints.txt \
    --extra-index-url "${TORCH_INDEX}" ".${EXTRAS}"


FROM python:3.11.14-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgmp10 \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 aimarket \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home \
    --home-dir /var/lib/aimarket --shell /usr/sbin/nologin aimarket \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/aimarket
COPY --from=build /opt/aimarket /opt/aimarket

ENV PATH=/opt/aimarket/bin:$PATH \
    AIMARKET_HOME=/var/lib/aimarket
# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /var/lib/aimarket
# The key and the journal: one volume for each node, never a copy.
VOLUME /var/lib/aimarket
EXPOSE 7460/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --start-interval=2s --retries=3 \
    CMD ["aimarket", "health"]
ENTRYPOINT ["aimarket-node"]
CMD []
