"""The suite in its pinned container: build the image, choose the runtime, run a verb in it.

engine.py    the Docker daemon, and its errors as one line each
image.py     build and describe the image
mounts.py    which folders a verb sees, and where
choice.py    container or virtual environment
run.py       run a verb in the image
health.py    the image's health check
"""
