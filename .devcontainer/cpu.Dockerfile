# stkit on any machine with Docker, no GPU. From the repository's root:
#     docker build -f .devcontainer/cpu.Dockerfile -t stkit .
#     docker run --rm -p 8888:8888 -v "$PWD/runs:/stkit/runs" stkit            # JupyterLab on notebook 00
#     docker run --rm -v "$PWD:/work" -w /work stkit stkit run me.mp4 --name me
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 make git && rm -rf /var/lib/apt/lists/*
WORKDIR /stkit
COPY requirements.lock pyproject.toml ./
COPY data_manifest data_manifest
RUN pip install --no-cache-dir -r data_manifest/packages.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root", "notebooks/00_start_here.ipynb"]
