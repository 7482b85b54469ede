"""Compiled programs kept on disk between processes, where the user names a folder.

TensorFlow writes and reads them; this module sees to the folder. Its files hold machine
code: whoever can write to the folder can run code in the processes that read it.

The variable is read once, when an estimator of this package is first imported.
TensorFlow is told of the folder by ``TF_XLA_FLAGS``, which it reads once too, while it
starts: so a process that has used TensorFlow before, or in which the user has set
``TF_XLA_FLAGS``, keeps no programs. `_tensorflow` warns of both.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "SKLSTM_CACHE"  # environment variable that names the folder
LARGEST = 512 * 2**20  # bytes
_PROGRAMS = "xla_compile_cache__*"


def tensorflow_flags() -> str:
    """Flags for TensorFlow that make it keep programs; none where no folder is named.

    The folder is made if it is not there. Where it has grown too large, its oldest
    programs are removed until it is half as large as it may be.

    Raises
    ------
    ImportError
        If the folder cannot be made or written to.
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
            f" cannot be made: {error}. Name another one, or unset the variable."
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
    """Make room where the programs have grown too large."""
    programs = []
    for path in folder.glob(_PROGRAMS):
        try:
            programs.append((path.stat().st_mtime, path.stat().st_size, path))
        except FileNotFoundError:  # another process is making room too
            continue
    size = sum(program[1] for program in programs)
    if size <= LARGEST:
        return
    for _, n_bytes, path in sorted(programs):
        if size <= LARGEST // 2:
            break
        path.unlink(missing_ok=True)
        size -= n_bytes
