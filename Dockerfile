# The package in an official PyTorch image, from the committed state of this clone. No GPU is needed to build it.
#   docker build -t af3 --build-arg PYTORCH_TAG=2.13.0-cuda13.0-cudnn9-runtime --build-arg GIT_TAG=v0.1.0 .
#   docker run --rm --gpus all af3 --help
ARG PYTORCH_TAG=2.13.0-cuda12.6-cudnn9-runtime
FROM pytorch/pytorch:${PYTORCH_TAG}

# A branch, tag or commit of this clone.
ARG GIT_TAG=main

# Newer images use the Python of the distribution, which refuses pip unless told otherwise.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1

RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*

# Only the history is copied, so that uncommitted files and environments never reach the image. The image brings its own PyTorch.
COPY .git /tmp/clone/.git
RUN git clone --quiet /tmp/clone /opt/alphafold3-pytorch \
    && cd /opt/alphafold3-pytorch \
    && git checkout --quiet "${GIT_TAG}" \
    && grep -v '^torch==' constraints.txt > /tmp/constraints.txt \
    && python -m pip install --constraint /tmp/constraints.txt --editable . \
    && rm -rf /tmp/clone

ENTRYPOINT ["af3"]
CMD ["--help"]
