"""The device that all contestants compute on, chosen for a whole run."""

from __future__ import annotations

import os

from _processes import Process

DEVICES = ("cpu", "gpu")
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def use_device(name: str) -> str:
    """Have the processes started from now on compute there; return what it is called.

    On a GPU, Keras's stateful layers run cuDNN's LSTM, and so do PyTorch's.

    Raises
    ------
    RuntimeError
        If there should be a GPU, and TensorFlow finds none.
    """
    if name == "cpu":
        os.environ[_VISIBLE] = "-1"
        return "CPU"
    with Process() as process:
        found = process.call(find_gpus)
    if not found:
        raise RuntimeError(
            "TensorFlow finds no GPU on this machine. Where there is one, its libraries"
            " come with pip install 'tensorflow[and-cuda]'; --device cpu needs none."
        )
    return found[0]


def find_gpus() -> list[str]:
    """Name the GPUs that TensorFlow finds; not to be called in the main process."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in gpus
    ]


def torch_device() -> str:
    """Name the device of PyTorch's contestants, who see a GPU only if it is raced."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
