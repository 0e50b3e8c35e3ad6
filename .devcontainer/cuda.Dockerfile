# stkit with an NVIDIA GPU (driver 570 or newer, for CUDA 12.8). From the repository's root:
#     docker build -f .devcontainer/cuda.Dockerfile -t stkit-cuda .
#     docker run --rm --gpus all -p 8888:8888 stkit-cuda
# gsplat compiles its CUDA code on first use, which is why the image has the compiler.
FROM nvidia/cuda:12.8.1-devel-ubuntu22.04
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends software-properties-common libgl1 libglib2.0-0 make git ninja-build \
    && add-apt-repository -y ppa:deadsnakes/ppa && apt-get install -y --no-install-recommends python3.11 python3.11-dev python3.11-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3.11 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /stkit
COPY requirements.lock pyproject.toml ./
COPY data_manifest data_manifest
RUN pip install --no-cache-dir -r data_manifest/packages.lock \
    && pip install --no-cache-dir kaolin==0.18.0 -f https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-2.8.0_cu128.html
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root", "notebooks/00_start_here.ipynb"]
