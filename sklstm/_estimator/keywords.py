"""Keywords that are refused: what users of other packages call things, by our names.

Owns the words of Keras, PyTorch and tutorials, and the errors that name ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

# How alike two words must be to be told of as a slip of the keyboard. Most pairs of
# unlike parameters reach 0.5, and words with a letter wrong or left out 0.8.
ALIKE = 0.72

#: What a parameter is here, and what others call it.
_WORDS = {
    "units=": (
        "hidden_dim hidden_size hidden_units hidden n_hidden n_units num_units"
        " lstm_units nb_units neurons n_neurons n_cells"
    ),
    "units=, which takes a number for each layer, such as units=[32, 32]": (
        "layers num_layers n_layers hidden_layer_sizes"
    ),
    "sequence_length=": (
        "look_back lookback n_steps n_timesteps time_steps timesteps time_step window"
        " window_size window_length seq_len seq_length sequence_len n_lag input_width"
        " input_chunk_length"
    ),
    "optimizer__learning_rate=": "lr learning_rate eta learning_rate_init",
    "optimizer__weight_decay=": "weight_decay",
    "optimizer__clipnorm=": "clipnorm gradient_clip_val grad_clip",
    "optimizer=": "solver",
    "random_state=": "seed random_seed",
    "model=, a function that builds the network": (
        "build_fn model_fn module network estimator activation bidirectional"
        " kernel_regularizer kernel_initializer"
    ),
    "epochs=": "n_epochs num_epochs nb_epoch max_epochs max_iter n_iter",
    "batch_size=": "batch bs",
    "dropout=": "dropout_rate recurrent_dropout",
    "callbacks=[keras.callbacks.EarlyStopping(...)] and validation_split=": (
        "early_stopping patience"
    ),
    "validation_split=": "validation_data validation_fraction",
    "windows='tiled', which has a target at each step": "return_sequences",
    "loss=": "criterion loss_fn loss_function",
    "series_id=": "groups group_ids id_column",
}
SYNONYMS = {word: ours for ours, words in _WORDS.items() for word in words.split()}

#: Keywords without a counterpart, since `fit` learns these numbers from X and y.
LEARNT = frozenset(
    [
        "input_shape",
        "input_dim",
        "input_size",
        "batch_input_shape",
        "n_features",
        "output_dim",
        "output_size",
        "n_outputs",
        "num_classes",
    ]
)

#: Words of Keras's `fit` that are no parameter here.
_OF_TRAINING = {
    "validation_data": (
        "Set validation_split=, the share of the last rows to hold out, or score"
        " later rows with score(X, y)"
    ),
    "initial_epoch": "Set warm_start=True to train on, or pass checkpoint=",
    "steps_per_epoch": "Leave it out: an epoch is one pass over all rows",
    "x": "Pass it as X",
}

#: Words of Keras's `predict` and `evaluate`.
_OF_READING = {
    "verbose": "Leave it out: nothing is printed",
    "batch_size": "Leave it out: the answers do not depend on how rows are batched",
    "steps": "Leave it out: there is an answer for every row",
    "callbacks": "Leave it out: callbacks are called in training",
    "x": "Pass it as X",
}


def check_keywords(
    owner: str, given: Iterable[str], valid: Iterable[str], prefixes: Iterable[str]
) -> None:
    """Raise TypeError for a keyword that is neither a parameter nor routed to one.

    Parameters
    ----------
    owner : str
        Name of the class, for the error.
    given : iterable of str
        The keywords to check.
    valid : iterable of str
        Names of parameters, among which the error looks for a similar one.
    prefixes : iterable of str
        What a routed keyword may have before its double underscore.
    """
    prefixes = tuple(prefixes)
    for keyword in given:
        prefix, routed, rest = keyword.partition("__")
        if routed and prefix in prefixes and rest:
            continue
        raise TypeError(
            f"{owner}() got an unexpected keyword argument {keyword!r}."
            f"{_hint(keyword, tuple(valid), prefixes)} Routed parameters start with one"
            f" of {', '.join(f'{prefix}__' for prefix in prefixes)}."
        )


def _hint(keyword: str, valid: tuple[str, ...], prefixes: tuple[str, ...]) -> str:
    """What was probably meant, as a sentence with a space before it; or nothing."""
    prefix, routed, rest = keyword.partition("__")
    if routed:
        near = difflib.get_close_matches(prefix, prefixes, n=1, cutoff=ALIKE)
        nearest = "__".join([*near, rest] if rest else near)
        return f" Did you mean {nearest!r}?" if near else ""
    if keyword in SYNONYMS:
        return f" Set {SYNONYMS[keyword]}."
    if keyword in LEARNT:
        return " Leave it out: fit learns it from X and y."
    near = difflib.get_close_matches(keyword, (*valid, *SYNONYMS), n=1, cutoff=ALIKE)
    if not near:
        return ""
    if near[0] in valid:
        return f" Did you mean {near[0]!r}?"
    return f" If you mean {near[0]!r}, set {SYNONYMS[near[0]]}."


def refuse_keywords(
    estimator: Any, method: str, given: Iterable[str], trains: bool = False
) -> NoReturn:
    """Raise TypeError for keywords that a method does not take, and say where they go.

    Parameters
    ----------
    estimator : object
    method : str
        Its name, for the error.
    given : iterable of str
    trains : bool
        Whether the method trains, and what is asked for may be a parameter.
    """
    owner = type(estimator).__name__
    names = ", ".join(map(repr, given))
    hints = [_place(estimator, keyword, trains) for keyword in given]
    raise TypeError(
        f"{owner}.{method}() got unexpected keyword argument(s) {names}."
        f"{''.join(hints)}"
    )


def _place(estimator: Any, keyword: str, trains: bool) -> str:
    """Where a keyword of a method goes, as a sentence with a space before it."""
    words = _OF_TRAINING if trains else _OF_READING
    if keyword in words:
        return f" {words[keyword]}."
    if not hasattr(estimator, "get_params"):
        return ""
    owner, valid = type(estimator).__name__, estimator.get_params(deep=False)
    if keyword in valid:
        return (
            f" {keyword} is a parameter of the estimator: pass it to"
            f" {owner}({keyword}=...), or to set_params({keyword}=...)."
        )
    return _hint(keyword, tuple(valid), ())
