"""TensorFlow and Keras, which are imported when they are first used.

All other modules take `tf` and `keras` from here, so that those of them which
`sklstm.serving` shares with the estimators can be imported without TensorFlow. How it
is imported, and started, is in `imported`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklstm._later import Later

if TYPE_CHECKING:
    from sklstm._tensorflow.imported import keras, tf
else:
    keras = Later("sklstm._tensorflow.imported", "keras")
    tf = Later("sklstm._tensorflow.imported", "tf")


def start_devices() -> None:
    """Start TensorFlow's devices if they are not, with the settings of `imported`."""
    from sklstm._tensorflow import imported

    imported.start_devices()
