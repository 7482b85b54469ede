"""A folder in which TensorFlow keeps compiled programs from process to process.

The user names it in the environment variable ``SKLSTM_CACHE``. TensorFlow writes and
reads the programs; this module creates the folder and limits its size. The files hold
machine code: whoever can write to the folder can run code in the processes that read
it.

The variable is read once, when an estimator of this package is first imported.
TensorFlow learns of the folder from ``TF_XLA_FLAGS``, which it reads only when it
starts its devices. So no programs are kept in a process that used TensorFlow before, or
in which the user has set ``TF_XLA_FLAGS``; `_tensorflow` warns in both cases.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "SKLSTM_CACHE"  # environment variable that names the folder
LARGEST = 512 * 2**20  # bytes that the programs in the folder may take
_PROGRAMS = "xla_compile_cache__*"


def tensorflow_flags() -> str:
    """Flags with which TensorFlow keeps programs; empty if the user names no folder.

    The folder is created if it does not exist. If its programs take more than `LARGEST`
    bytes, the oldest are removed until the others take half as much.

    Raises
    ------
    ImportError
        If the folder cannot be created or written to, or has a space in its path.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return ""
    folder = Path(name).expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImportError(
            f"{VARIABLE}={name!r} should name a folder for compiled programs, but it"
            f" cannot be created: {error}. Name another one, or unset the variable."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK) or " " in str(folder):
        raise ImportError(
            f"{VARIABLE}={name!r} should name a folder for compiled programs that can"
            " be written to and has no space in its path. Name another one, or unset"
            " the variable."
        )
    _remove_oldest(folder)
    return (
        f"--tf_xla_persistent_cache_directory={folder}"
        " --tf_xla_persistent_cache_device_types=CPU"
    )


def _remove_oldest(folder: Path) -> None:
    """Remove the oldest programs if all take more than `LARGEST` bytes."""
    programs = []
    for path in folder.glob(_PROGRAMS):
        try:
            programs.append((path.stat().st_mtime, path.stat().st_size, path))
        except FileNotFoundError:  # another process has removed it
            continue
    size = sum(program[1] for program in programs)
    if size <= LARGEST:
        return
    for _, n_bytes, path in sorted(programs):
        if size <= LARGEST // 2:
            break
        path.unlink(missing_ok=True)
        size -= n_bytes
