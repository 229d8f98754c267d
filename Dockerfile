# The environment of `make env` in an image, for the CPU or for NVIDIA GPUs:
#   docker build --tag sgg .
#   docker build --tag sgg:cuda --build-arg VARIANT=cuda .
# Data, checkpoints and results stay outside: see INSTALL.md.
ARG VARIANT=cpu
# Its major version has to be that of the CUDA which PyTorch was compiled with.
ARG CUDA_IMAGE=nvidia/cuda:13.0.1-devel-ubuntu24.04
ARG CPU_IMAGE=ubuntu:24.04

FROM ${CPU_IMAGE} AS base-cpu
# PyTorch without CUDA's libraries, and the C++ ops.
ENV TORCH_INDEX=https://download.pytorch.org/whl/cpu \
    FORCE_CUDA=0

FROM ${CUDA_IMAGE} AS base-cuda
ARG TORCH_INDEX_CUDA=https://download.pytorch.org/whl/cu130
# No GPU is in sight of a build: FORCE_CUDA compiles the CUDA ops for common ones all the same.
ENV TORCH_INDEX=${TORCH_INDEX_CUDA} \
    FORCE_CUDA=1

FROM base-${VARIANT}
# Given, such as "8.9", takes the place of setup.py's choice of GPUs.
ARG TORCH_CUDA_ARCH_LIST
# Extras of pyproject.toml, such as "demo,prototypes".
ARG EXTRAS=demo
ENV PATH=/opt/venv/bin:$PATH
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        build-essential python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv \
    && pip install --no-cache-dir "setuptools>=77" ninja \
    && pip install --no-cache-dir torch torchvision --index-url "$TORCH_INDEX"

WORKDIR /sgg
COPY pyproject.toml setup.py README.md LICENSE ./
COPY maskrcnn_benchmark maskrcnn_benchmark
RUN pip install --no-cache-dir --no-build-isolation --editable ".[$EXTRAS]"
COPY tools tools
COPY configs configs
COPY scripts scripts
RUN mkdir datasets checkpoints output

CMD ["python", "tools/doctor.py"]
