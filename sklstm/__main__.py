"""``python -m sklstm``: versions, devices and cache, for the report of a bug."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sklstm

PACKAGES = (
    "tensorflow",
    "keras",
    "scikeras",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "joblib",
    "threadpoolctl",
    "safetensors",
    "tqdm",
    "matplotlib",
)
VARIABLES = (
    "SKLSTM_CACHE",
    "KERAS_BACKEND",
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "CUDA_VISIBLE_DEVICES",
)


def main() -> None:
    """Print what a report of a bug should hold, a line for each fact."""
    facts = {
        "sklstm": sklstm.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": str(os.cpu_count()),
        **{package: _version_of(package) for package in PACKAGES},
        **{name: os.environ.get(name, "not set") for name in VARIABLES},
        "kept programs": _kept_programs(),
        "devices": _devices(),
    }
    width = max(map(len, facts))
    print("\n".join(f"{name:{width}}  {fact}" for name, fact in facts.items()))


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _kept_programs() -> str:
    """How many compiled programs are kept on disk, and their size."""
    name = os.environ.get("SKLSTM_CACHE")
    if not name:
        return "none, since SKLSTM_CACHE names no folder"
    folder = Path(name).expanduser().absolute()
    sizes = [path.stat().st_size for path in folder.glob("*") if path.is_file()]
    return f"{len(sizes)} in {folder}, {sum(sizes) / 2**20:.1f} MB"


def _devices() -> str:
    """The devices that TensorFlow finds, or why it cannot be asked."""
    try:
        from sklstm._tensorflow import start_devices, tf

        start_devices()
        return ", ".join(device.name for device in tf.config.list_logical_devices())
    except Exception as error:  # a report must not fail by what it is to report
        return f"TensorFlow cannot be used: {type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
