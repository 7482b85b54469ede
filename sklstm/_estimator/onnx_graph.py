"""A fitted network as an ONNX graph of one step: a row and states in, both out.

Tiled windows only, with which a state and a row are all there is. The encoder is in the
graph, so that rows and answers are in the user's units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklstm._encoding.linear_skip import LinearSkip
from sklstm._encoding.row_encoder import CLIP, RowEncoder
from sklstm._later import pd
from sklstm._network.architecture import StackedLSTM
from sklstm._network.targets import ClassTarget
from sklstm._rows.series import match_series
from sklstm._training.fitted import Fitted

OPSET, IR_VERSION = 17, 8  # of 2022, which all runtimes of today read


def step_model(fitted: Fitted, scale: int) -> Any:
    """The ONNX model of a step of some series side by side, which have one scale.

    Parameters
    ----------
    fitted : Fitted
        Of a built-in network with tiled windows.
    scale : int
        The entry of the encoder's scales that serves them.

    Returns
    -------
    model : onnx.ModelProto
    """
    import onnx

    graph = _Graph()
    encoder, network = fitted.encoder, fitted.recipe.network
    assert isinstance(network, StackedLSTM)
    n_features = fitted.input_shape.n_features
    row = graph.input("row", "float32" if encoder is None else "float64", n_features)
    inputs = row if encoder is None else _encoded(graph, encoder, row, scale)
    outputs = _network_outputs(graph, network, fitted.parameters.weights, inputs)
    if isinstance(fitted.target, ClassTarget):
        from_logits = getattr(fitted.recipe.loss, "from_logits", False)
        answers, width = _probabilities(graph, network, outputs, from_logits)
        graph.output("probabilities", answers, "float64", width)
    else:
        dtype = fitted.target.dtype.name
        answers = _answers(graph, encoder, outputs, scale)
        answers = graph("Cast", answers, to=_type(dtype))
        graph.output("prediction", answers, dtype, network.n_outputs)
    made = onnx.helper.make_graph(
        graph.nodes, "step", graph.inputs, graph.outputs, graph.constants
    )
    model = onnx.helper.make_model(
        made,
        producer_name="sklstm",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


def check_is_a_step(fitted: Fitted) -> None:
    """Raise ValueError unless an answer follows from a row and a state."""
    recipe = fitted.recipe
    if not isinstance(recipe.network, StackedLSTM):
        problem = "the network is that of a model= function"
        remedy = "Export rebuild(batch_size), a plain Keras model, with its export"
    elif not recipe.is_tiled or not recipe.carries_state:
        problem = "this one reads windows of rows, with windows='sliding'"
        if recipe.is_tiled:
            problem = "this one starts anew at each tile, with stateful=False"
        remedy = "Fit with windows='tiled' and stateful=True, or use sklstm.serving"
    elif fitted.input_shape.is_sequences:
        problem = "this estimator was fitted on sequences, which have no state to go on"
        remedy = "Fit on rows with series_id= or a MultiIndex"
    else:
        return
    raise ValueError(
        "to_onnx writes a network that answers a row from the state before it, but"
        f" {problem}. {remedy}."
    )


def of_series(fitted: Fitted, series: Any) -> tuple[int, Fitted]:
    """The entry of the scales of a series, and the record with its state alone."""
    state = fitted.state
    if (series is None) != (state.series is None):
        what = (
            "series have ids, and each has a scale and a state of its own. Pass the id"
            " of one as series="
            if series is None
            else "the series has no id. Leave series= out"
        )
        raise ValueError(f"to_onnx writes the model of one scale, but {what}.")
    if series is None:
        return 0, fitted
    one = pd.Index([series], name=state.series.name)
    if isinstance(state.series, pd.MultiIndex):
        one = pd.MultiIndex.from_tuples([series], names=state.series.names)
    lanes = match_series(state.series, one)
    encoder = fitted.encoder
    has_own = encoder is not None and encoder.series is not None
    scale = int(match_series(encoder.series, one)[0]) if has_own else 0  # type: ignore[union-attr]
    return scale, fitted.in_state(state.take_lanes(lanes))


def state_inputs(fitted: Fitted) -> dict[str, np.ndarray]:
    """The state as the graph takes it, by the names of its inputs."""
    state, encoder, network = fitted.state, fitted.encoder, fitted.recipe.network
    assert isinstance(network, StackedLSTM)
    names = network.kind.states
    made = {
        f"{name}_{k + 1}": np.array(array)
        for k, layer in enumerate(state.layers)
        for name, array in zip(names, layer, strict=True)
    }
    if encoder is not None and encoder.n_context:
        made["context"] = np.array(state.context)
        made["position"] = np.array(state.position, np.int64)
    return made


class _Graph:
    """Nodes, constants, inputs and outputs; calling it adds a node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def __call__(self, kind: str, *inputs: Any, n_outputs: int = 1, **options: Any):
        """Add a node and return the name of its output, or those of several.

        Inputs are names, or arrays, which become constants.
        """
        import onnx

        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        made = [f"{kind}_{len(self.nodes)}_{i}" for i in range(n_outputs)]
        self.nodes.append(onnx.helper.make_node(kind, names, made, **options))
        return made[0] if n_outputs == 1 else made

    def constant(self, array: Any) -> str:
        import onnx

        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(array)
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def input(self, name: str, dtype: str, *sides: int) -> str:
        """An input of shape (n_series, *sides)."""
        self.inputs.append(_described(name, dtype, sides))
        return name

    def output(self, name: str, value: str, dtype: str, *sides: int) -> None:
        """Make a value an output of the graph, of shape (n_series, *sides)."""
        import onnx

        self.nodes.append(onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(_described(name, dtype, sides))


def _described(name: str, dtype: str, sides: Sequence[int]) -> Any:
    import onnx

    return onnx.helper.make_tensor_value_info(name, _type(dtype), ["n_series", *sides])


def _type(dtype: str) -> int:
    import onnx

    return onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


# --- between the user's units and the network's ---------------------------------------


def _encoded(graph: _Graph, encoder: RowEncoder, row: str, scale: int) -> str:
    """What the network is given of a row: `RowEncoder.encode_one` as nodes."""
    scaled = row
    if encoder.x_scale is not None:
        mean, deviation = encoder.x_scale.mean, encoder.x_scale.deviation
        scaled = graph("Div", graph("Sub", row, mean[scale]), deviation[scale])
    if encoder.skip is None:
        return graph("Cast", _clipped(graph, encoder, scaled), to=_type("float32"))
    n, n_features = encoder.n_context, encoder.n_features
    context = graph.input("context", "float32", n, n_features)
    position = graph.input("position", "int64")
    rows = graph(
        "Concat",
        graph("Cast", context, to=_type("float64")),
        graph("Unsqueeze", scaled, np.array([1])),
        axis=1,
    )  # (n_series, n_context + 1, n_features)
    known = graph("Unsqueeze", graph("Min", position, np.int64(n)), np.array([1]))

    def back(steps: Sequence[int]) -> str:
        """Rows so many steps back, or the oldest: (n_series, n_steps * n_features)."""
        at = graph("Sub", np.int64(n), graph("Min", np.array(steps)[np.newaxis], known))
        taken = graph(
            "GatherND", rows, graph("Unsqueeze", at, np.array([2])), batch_dims=1
        )
        return graph("Reshape", taken, np.array([0, len(steps) * n_features]))

    def forecast(skip: LinearSkip, before: int) -> str:
        flat = skip.weights.reshape(-1, skip.weights.shape[2])
        read = back([lag + before for lag in skip.lags])
        return graph("Add", graph("MatMul", read, flat), skip.intercept)

    now = forecast(encoder.skip, 0)
    tied = graph("Gather", scaled, np.maximum(encoder.ties, 0), axis=1)
    goes_on_from = graph("Where", encoder.ties < 0, forecast(encoder.skip, 1), tied)
    outlook = graph("Sub", now, goes_on_from)
    change = graph("Sub", scaled, back([1]))
    shown = graph("Concat", scaled, change, outlook, axis=1)
    skip = graph("Div", now, encoder.residual)
    after = graph("Slice", rows, np.array([1]), np.array([n + 1]), np.array([1]))
    after = graph("Cast", after, to=_type("float32"))
    graph.output("next_context", after, "float32", n, n_features)
    graph.output("next_position", graph("Add", position, np.int64(1)), "int64")
    together = graph("Concat", _clipped(graph, encoder, shown), skip, axis=1)
    return graph("Cast", together, to=_type("float32"))


def _clipped(graph: _Graph, encoder: RowEncoder, values: str) -> str:
    if encoder.shown is not None:
        mean, deviation = encoder.shown.mean[0], encoder.shown.deviation[0]
        values = graph("Div", graph("Sub", values, mean), deviation)
    return graph("Clip", values, np.float64(-CLIP), np.float64(CLIP))


def _answers(graph: _Graph, encoder: RowEncoder | None, outputs: str, scale: int):
    """The network's outputs in the units of y."""
    if encoder is None:
        return outputs
    answers = graph("Cast", outputs, to=_type("float64"))
    answers = graph("Mul", answers, encoder.residual)
    if encoder.y_scale is None:
        return answers
    mean, deviation = encoder.y_scale.mean, encoder.y_scale.deviation
    return graph("Add", graph("Mul", answers, deviation[scale]), mean[scale])


def _probabilities(
    graph: _Graph, network: StackedLSTM, outputs: str, from_logits: bool
) -> tuple[str, int]:
    """Class probabilities, and how many classes there are."""
    outputs = graph("Cast", outputs, to=_type("float64"))
    if network.n_outputs == 1:
        positive = graph("Sigmoid", outputs) if from_logits else outputs
        negative = graph("Sub", np.float64(1), positive)
        return graph("Concat", negative, positive, axis=1), 2
    if from_logits:
        return graph("Softmax", outputs, axis=1), network.n_outputs
    total = graph("ReduceSum", outputs, np.array([1]))
    return graph("Div", outputs, total), network.n_outputs


# --- the network ----------------------------------------------------------------------


def _network_outputs(
    graph: _Graph, network: StackedLSTM, weights: Sequence[np.ndarray], inputs: str
) -> str:
    """The head's outputs after a step of every layer, whose states become outputs."""
    *recurrent, head, bias = weights
    n_read = network.n_features - network.n_skip
    hidden, skip = inputs, None
    if network.n_skip:
        sides = np.array([n_read, network.n_skip])
        hidden, skip = graph("Split", inputs, sides, n_outputs=2, axis=1)
    for k, units in enumerate(network.units):
        names = [f"{name}_{k + 1}" for name in network.kind.states]
        states = [graph.input(name, "float32", units) for name in names]
        step = _STEPS[network.cell]
        after = step(graph, hidden, states, recurrent[3 * k : 3 * k + 3])
        for name, value in zip(names, after, strict=True):
            graph.output(f"next_{name}", value, "float32", units)
        hidden = after[0]
    outputs = graph("Add", graph("MatMul", hidden, head), bias)
    if skip is not None:
        outputs = graph("Add", outputs, skip)
    if network.activation == "linear":
        return outputs
    if network.activation == "softmax":
        return graph("Softmax", outputs, axis=1)
    return graph("Sigmoid", outputs)


def _lstm(graph: _Graph, x: str, states: list[str], weights) -> list[str]:
    kernel, recurrent, bias = weights
    h, c = states
    z = graph("Add", graph("MatMul", x, kernel), graph("MatMul", h, recurrent))
    z = graph("Add", z, bias)
    i, f, g, o = graph("Split", z, _widths(kernel, 4), n_outputs=4, axis=1)
    kept = graph("Mul", graph("Sigmoid", f), c)
    added = graph("Mul", graph("Sigmoid", i), graph("Tanh", g))
    c = graph("Add", kept, added)
    return [graph("Mul", graph("Sigmoid", o), graph("Tanh", c)), c]


def _gru(graph: _Graph, x: str, states: list[str], weights) -> list[str]:
    kernel, recurrent, (b, d) = weights
    (h,) = states
    sides = _widths(kernel, 3)
    of_x = graph("Add", graph("MatMul", x, kernel), b)
    of_h = graph("Add", graph("MatMul", h, recurrent), d)
    x_z, x_r, x_g = graph("Split", of_x, sides, n_outputs=3, axis=1)
    h_z, h_r, h_g = graph("Split", of_h, sides, n_outputs=3, axis=1)
    update = graph("Sigmoid", graph("Add", x_z, h_z))
    reset = graph("Sigmoid", graph("Add", x_r, h_r))
    candidate = graph("Tanh", graph("Add", x_g, graph("Mul", reset, h_g)))
    difference = graph("Sub", h, candidate)
    return [graph("Add", candidate, graph("Mul", update, difference))]


def _rnn(graph: _Graph, x: str, states: list[str], weights) -> list[str]:
    kernel, recurrent, bias = weights
    z = graph("Add", graph("MatMul", x, kernel), graph("MatMul", states[0], recurrent))
    return [graph("Tanh", graph("Add", z, bias))]


_STEPS = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


def _widths(kernel: np.ndarray, n_gates: int) -> np.ndarray:
    """The widths of the gates of a kernel of shape (n_inputs, n_gates * units)."""
    return np.full(n_gates, kernel.shape[1] // n_gates)
