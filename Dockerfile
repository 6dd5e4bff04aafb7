# The suite in a pinned environment: `make image` builds it, `make reproduce RUNTIME=container` runs it.
# docs/how-to/container.md explains every choice. Plain BuildKit of Docker 20.10 is enough: no frontend to download.

# nvidia/cuda:13.0.3-base-ubuntu24.04, multi-platform index. CUDA itself comes with the locked packages; the base adds
# what the NVIDIA container toolkit looks for. Any Debian or Ubuntu with Python 3.11 to 3.13 can stand in for it.
ARG BASE_IMAGE=docker.io/nvidia/cuda@sha256:7c7413a56200486f71f181cad9310f6fd31b6bb21816ade15fc9c1e1e927a5c1

FROM ${BASE_IMAGE} AS python
# A version pinned here is deleted from the distribution's mirror with its next update; the digest of the image that was
# built is what a run records. git stays out: nothing in the image is a checkout. The compiler and Python's headers are
# Triton's: it compiles a stub of C when its first kernel starts on a GPU.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv python3-dev gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf /var/log/*
# a name for the user: getpass.getuser() fails without one
# its own cache for what Triton compiles and loads; a run mounts one in memory there (suite/container/run.py)
RUN groupadd --gid 10001 suite \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin suite \
 && install -d -m 700 -o suite -g suite /var/cache/triton

# What a run needs of the lock, of the extras hf alone; its own stage, so that only another answer installs anything again.
FROM python AS lock
COPY requirements.lock pyproject.toml suite/container/packages.py /lock/
RUN python3 /lock/packages.py /lock > /lock/runtime.lock

FROM python
# Behind a company's proxy: `make image CA_BUNDLE=ca.pem PIP_CONF=pip.conf`. Neither stays in the image.
# Only what a run imports is compiled, 90 MB: on a read-only root each process would do it anew.
COPY --from=lock /lock/runtime.lock /lock/
RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    if [ -s /run/secrets/ca_bundle ]; then export PIP_CERT=/run/secrets/ca_bundle; fi \
 && python3 -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --no-compile --no-deps --require-hashes --only-binary=:all: \
      --disable-pip-version-check --quiet -r /lock/runtime.lock \
 && MPLCONFIGDIR=/tmp/matplotlib /venv/bin/python -c 'import jinja2, matplotlib.pyplot, psutil, pycocotools.mask, pytest, scipy.stats, timm, xdist' \
 && rm -rf /tmp/*

ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/suite \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TRITON_CACHE_DIR=/var/cache/triton \
    USER=suite \
    LOGNAME=suite \
    MPLCONFIGDIR=/tmp/matplotlib \
    HF_HOME=/tmp/huggingface \
    HF_HUB_OFFLINE=1 \
    TRANSFORMERS_OFFLINE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# .dockerignore lets in what a run reads, and nothing else
COPY --chmod=755 . /suite/
RUN python -m compileall -q /suite/suite
WORKDIR /suite

ARG BASE_IMAGE
ARG REVISION=unknown
ARG CREATED=unknown
ARG LOCK_SHA256=unknown
ARG SOURCE_SHA256=unknown
ENV SUITE_BASE_IMAGE=${BASE_IMAGE} \
    SUITE_REVISION=${REVISION} \
    SUITE_RUNTIME=container
LABEL org.opencontainers.image.title="part-aware-repro" \
      org.opencontainers.image.description="Reproducibility suite for arXiv 2301.11915" \
      org.opencontainers.image.source="https://arxiv.org/abs/2301.11915" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      part-aware-repro.lock.sha256="${LOCK_SHA256}" \
      part-aware-repro.source.sha256="${SOURCE_SHA256}"

USER 10001:10001
# Ctrl-C's signal: the suite then judges what has finished and writes its report
STOPSIGNAL SIGINT
# rarely, since it loads PyTorch and would disturb what is measured
HEALTHCHECK --interval=10m --timeout=120s --start-period=120s --retries=1 CMD ["python", "-m", "suite.container.health"]
ENTRYPOINT ["python", "-m", "suite"]
CMD ["--help"]
