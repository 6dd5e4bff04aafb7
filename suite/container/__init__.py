"""The suite in its pinned container: build the image, choose the runtime, run a verb in it."""
