"""The forward and backward loops of a recurrent layer over time, for XLA to compile.

The arithmetic is that of Keras's layers. These loops are several times faster than the
ones that Keras traces, for five reasons:

- The inputs of all steps are multiplied by the kernel in one matrix product before the
  forward loop, and the gradient of all weights is one product after the backward loop.
- One ``tanh`` serves all gates of an LSTM, and one both gates of a GRU.
- Only the recurrence itself stays inside the loops: a matrix product and a few sums.
  The other terms are computed for all steps at once, before or after the loop: see
  `Cell.outputs` and `Cell.factors`.
- Each loop overwrites the array that it reads (the gates replace the projected inputs,
  the gradients replace their factors), so that XLA allocates and clears no other.
- A loop ends at a step number and at nothing else, and its body compiles to at most
  eight operations unless steps are masked. XLA on the CPU runs a body of up to eight
  operations on one thread; it hands a longer one to several threads at every step.

What differs between kinds of cell is in `cells`. The weights of a layer come as one
*block*: the kernel, the recurrent kernel and the bias, stacked by rows. Their gradient
is then a single matrix product.

Symbols: B lanes, T steps, F features, U units, C columns for each unit (see `cells`).
"""

from __future__ import annotations

import functools
import types

from sklstm._network.cells import CELLS, Cell
from sklstm._tensorflow import keras, tf


def speed_up(model: keras.Model) -> None:
    """Have every plain LSTM layer of `model` run the loops of this module.

    The layers remain `keras.layers.LSTM` objects; only their `inner_loop` is replaced.
    """
    for layer in model._flatten_layers(include_self=False):
        if _has_plain_recurrence(layer):
            layer.inner_loop = types.MethodType(_inner_loop, layer)


def _has_plain_recurrence(layer) -> bool:
    """Whether an LSTM cell computes what the layer does: usual activations, float32."""
    return (
        type(layer) is keras.layers.LSTM
        and layer.activation is keras.activations.tanh
        and layer.recurrent_activation is keras.activations.sigmoid
        and layer.use_bias
        and not layer.dropout
        and not layer.recurrent_dropout
        and not layer.go_backwards
        and not layer.unroll
        and not layer.zero_output_for_mask
        and layer.compute_dtype == "float32"
    )


def _inner_loop(self, sequences, initial_state, mask, training=False):
    """Replacement for `keras.layers.LSTM.inner_loop`: same arguments, same results."""
    live = None if mask is None else tf.transpose(mask)[:, :, tf.newaxis]  # (T, B, 1)
    outputs, states = recur(
        CELLS["lstm"],
        tf.transpose(sequences, (1, 0, 2)),
        initial_state,
        stack_weights(*weights_of(self)),
        live,
    )
    if not self.return_sequences:
        outputs = states[0][tf.newaxis]
    return states[0], tf.transpose(outputs, (1, 0, 2)), list(states)


def weights_of(layer) -> tuple:
    """The layer's kernel, recurrent kernel and bias, in this order."""
    return layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias


def stack_weights(*weights):
    """The block of a layer: its kernels and its bias, stacked by rows."""
    arrays = map(tf.convert_to_tensor, weights)
    return tf.concat([a if a.ndim == 2 else a[tf.newaxis] for a in arrays], 0)


def with_ones(*arrays):
    """The arrays joined by columns, and a column of ones that multiplies the bias."""
    n = arrays[0].shape[0] or tf.shape(arrays[0])[0]
    return tf.concat([*arrays, tf.ones((n, 1))], 1)


def recur(cell: Cell, x, states, block, live=None, carry=None, steps=None) -> tuple:
    """One layer of cells over all steps, with its own gradient.

    Takes x of shape (T, B, F), the states of shape (B, U), h first, and a block.
    Returns the outputs of shape (T, B, U) and the states after the last step.

    `live`, of shape (T, B, 1) or None, is False at steps that leave the states as they
    are. `carry`, of shape (T, B, 1) or None, is 0 at steps that start from zero state,
    and 1 at those that continue from the step before. Only one of the two may be given.
    `steps` is a pair of tensors, the first step to take and the one after the last:
    outputs of the others are not to be used. None takes all. Where the first is not
    step 0, the states given must be zero.
    """
    if x.shape[0] == 1:
        walk = functools.partial(_one_step, cell, live, carry)
    else:
        walk = functools.partial(_many_steps, cell, live, carry, steps)
    block = cell.in_columns(block, x.shape[2])
    outputs, *states = tf.custom_gradient(lambda *arguments: walk(*arguments))(
        x, block, *states
    )
    return outputs, tuple(states)


def recur_forward(
    cell: Cell, x, states, block, n_steps, live=None, carry=None
) -> tuple:
    """`recur` over the first `n_steps` steps, without a gradient.

    `n_steps` is a tensor: the steps after it are not computed, and their outputs are
    zero. Here `live` and `carry` may both be given.
    """
    _, n_lanes, n_features = x.shape
    units = states[0].shape[1]
    W, R = _parts(cell, cell.in_columns(block, n_features), n_features, units)
    z, rest = _project(cell, x, W, units)  # of T*B rows

    def at(columns, t):
        # By rows, since XLA copies all of z to reshape it to (T, B, C*U) where B is 1.
        if columns is not None:
            return tf.slice(columns, (t * n_lanes, 0), (n_lanes, columns.shape[1]))

    def step(t, before, hs):
        start = _times(before, None if carry is None else carry[t])
        _, after = _activate(cell, at(z, t), at(rest, t), start[0] @ R, start)
        after = _where(None if live is None else live[t], after, before)
        return t + 1, after, hs.write(t, after[0])

    hs = _array(tf.zeros((x.shape[0], n_lanes, units)))
    _, after, hs = tf.while_loop(
        lambda t, *_: t < n_steps, step, (0, tuple(states), hs)
    )
    return hs.stack(), after


def _one_step(cell, live, carry, x, block, *states):
    """One step without a loop, which halves the time of a pass with T = 1."""
    n_features, units = x.shape[2], states[0].shape[1]
    live, carry = (None if mask is None else mask[0] for mask in (live, carry))
    states = _times(states, carry)
    inputs = with_ones(tf.squeeze(x, 0), states[0])  # (B, F + U + 1)
    z, rest = _split(cell, inputs @ block, units)
    gates, made = cell.activate(z, rest, states)
    after = _where(live, made, states)

    def gradient(d_outputs, d_h, *d_others):
        d_h = d_h + tf.squeeze(d_outputs, 0)
        to_z, others, keeps = cell.factors(gates, rest, states, made)
        d_columns, d_h_kept, *d_made = cell.step_back(d_h, d_others, others)
        pairs = zip(d_columns, to_z, strict=True)
        d_z = tf.concat([d * factor for d, factor in pairs], 1)  # (B, C*U)
        if live is not None:
            d_z = tf.where(live, d_z, 0.0)
        d_inputs = tf.matmul(d_z, block, transpose_b=True)
        d_x, d_h_before, _ = tf.split(d_inputs, [n_features, units, 1], 1)
        if d_h_kept is not None:
            d_h_before += d_h_kept
        d_kept = [d * keep for d, keep in zip(d_made, keeps, strict=True)]
        d_before = _where(live, (d_h_before, *d_kept), (d_h, *d_others))
        return (
            tf.expand_dims(d_x, 0),
            tf.matmul(inputs, d_z, transpose_a=True),
            *_times(d_before, carry),
        )

    return (tf.expand_dims(after[0], 0), *after), gradient


def _many_steps(cell, live, carry, steps, x, block, *states):
    """Several steps: a forward loop, and a gradient that loops backwards."""
    n_steps, n_lanes, n_features = x.shape
    n_lanes = tf.shape(x)[1] if n_lanes is None else n_lanes
    units = states[0].shape[1]
    W, R = _parts(cell, block, n_features, units)
    by_step = functools.partial(_by_step, n_steps, n_lanes)
    z, rest = map(by_step, _project(cell, x, W, units))  # (T, B, ..), or None
    start = _times(states, None if carry is None else carry[0])
    if carry is not None:
        # states of a step are multiplied by the next step's `carry`, the last by one
        hand_on = tf.pad(carry[1:], [[0, 1], [0, 0], [0, 0]], constant_values=1.0)
    kept = cell.kept_states(live is not None)
    n_kept = z.shape[2]

    def step(t, before, zs, histories):
        rest_t = None if rest is None else rest[t]
        gates, after = _activate(cell, zs.read(t), rest_t, before[0] @ R, before)
        after = _where(None if live is None else live[t], after, before)
        histories = [
            history.write(t + 1, after[k])
            for history, k in zip(histories, kept, strict=True)
        ]
        after = _times(after, None if carry is None else hand_on[t])
        return t + 1, after, zs.write(t, gates), histories

    histories = [
        _array(tf.pad(start[k][tf.newaxis], [[0, n_steps], [0, 0], [0, 0]]))
        for k in kept
    ]
    first, stop = (0, n_steps) if steps is None else steps
    _, last, zs, histories = tf.while_loop(
        lambda t, *_: t < stop, step, (first, start, _array(z), histories)
    )
    walked = dict(zip(kept, (h.stack() for h in histories), strict=True))  # (T + 1, ..)
    gates = zs.stack()  # (T, B, n_kept * U)
    after = [walked[k][1:] if k in walked else None for k in range(len(start))]
    if 0 not in walked:
        after[0] = cell.outputs(gates, after)
        walked[0] = tf.concat([start[0][tf.newaxis], after[0]], 0)

    # `gradient` recomputes everything except what the loop keeps. Where it is compiled
    # apart from the forward pass, it then receives fewer arrays; where both are
    # compiled together, XLA computes the common terms only once.
    def gradient(d_outputs, d_h, *d_others):
        W, R = _parts(cell, block, n_features, units)
        before = _times([walked[k][:-1] for k in range(len(start))], carry)
        flat_h = tf.reshape(before[0], (-1, units))  # (T*B, U)
        rest_with_h = rest
        if rest is not None:
            rest_with_h = _joined(rest, by_step(flat_h @ R[:, n_kept:]))
        to_z, others, keeps = cell.factors(gates, rest_with_h, before, after)
        to_z = tf.concat(to_z, 2)  # (T, B, C*U)
        if live is not None:
            to_z, *others = (tf.where(live, a, 0.0) for a in (to_z, *others))
            keeps = [tf.where(live, keep, 1.0) for keep in keeps]
        keeps = [
            tf.pad(keep, [[0, 1], [0, 0], [0, 0]], constant_values=1.0)
            for keep in _times(keeps, carry)
        ]
        if steps is not None:
            # Steps not taken must leave d_z zero, and hand on gradients as they are.
            count = tf.reshape(tf.range(n_steps), (-1, 1, 1))  # (T, 1, 1)
            to_z = tf.where((count >= first) & (count < stop), to_z, 0.0)
            keeps = [_array(a).write(stop, tf.ones_like(d_h)).stack() for a in keeps]
        # here, or the loop would do it at every step
        R_transposed = tf.transpose(block[n_features:-1])  # (C*U, U)

        def step_back(t, d_h, d_others, d_zs):
            d_h += d_outputs[t]
            d_others = [
                d * keep[t + 1] for d, keep in zip(d_others, keeps, strict=True)
            ]
            d_columns, d_h_kept, *d_others = cell.step_back(
                d_h, d_others, [factor[t] for factor in others]
            )
            d_z = tf.concat(d_columns, 1) * d_zs.read(t)
            d_h_before = d_z @ R_transposed
            if d_h_kept is not None:
                d_h_before += d_h_kept
            if live is not None:
                d_h_before = tf.where(live[t], d_h_before, d_h)
            if carry is not None:
                d_h_before *= carry[t]
            return t - 1, d_h_before, d_others, d_zs.write(t, d_z)

        _, d_h, d_others, d_zs = tf.while_loop(
            lambda t, *_: t >= first,
            step_back,
            (stop - 1, d_h, list(d_others), _array(to_z)),
        )
        d_z = tf.reshape(d_zs.stack(), (-1, block.shape[1]))  # (T*B, C*U)
        d_x = tf.matmul(d_z, W[:-1], transpose_b=True)
        inputs = with_ones(tf.reshape(x, (-1, n_features)), flat_h)
        # `keep[first]` would compile `steps` in
        kept_by = zip(d_others, keeps, strict=True)
        d_start = [d * tf.gather(keep, first) for d, keep in kept_by]
        return by_step(d_x), tf.matmul(inputs, d_z, transpose_a=True), d_h, *d_start

    return (after[0], *last), gradient


def _parts(cell, block, n_features, units):
    """Of a block in columns, kernel and bias stacked by rows, and the recurrent kernel.

    They have shapes (F + 1, C * U) and (U, n_recurrent * U).
    """
    W, R, b = tf.split(block, [n_features, units, 1])
    return tf.concat([W, b], 0), R[:, : cell.n_recurrent * units]


def _split(cell, z, units):
    """The columns whose activations are kept, and the rest; None if all are."""
    n = cell.n_kept * units
    return (z, None) if n == z.shape[-1] else (z[..., :n], z[..., n:])


def _project(cell, x, W, units):
    """The columns of all steps without h R, of T*B rows, in two parts as by `_split`.

    They are products of their own, because XLA would copy the parts of one product.
    """
    inputs = with_ones(tf.reshape(x, (-1, x.shape[2])))  # (T*B, F + 1)
    return tuple(None if w is None else inputs @ w for w in _split(cell, W, units))


def _by_step(n_steps, n_lanes, rows):
    """Rows of all steps and lanes as an array of shape (T, B, ..), or None."""
    return None if rows is None else tf.reshape(rows, (n_steps, n_lanes, rows.shape[1]))


def _activate(cell, z, rest, product, states):
    """`Cell.activate` for columns that lack h R, the `product`."""
    if rest is None:
        return cell.activate(z + product, None, states)
    n = z.shape[-1]
    return cell.activate(z + product[:, :n], _joined(rest, product[:, n:]), states)


def _joined(columns, product):
    """Columns, with a product added to the first of them."""
    n = product.shape[-1]
    return tf.concat([columns[..., :n] + product, columns[..., n:]], -1)


def _where(live, values, otherwise):
    """`values` in the lanes that are live, and `otherwise` in the others.

    Without a mask (`live` is None) every lane is live.
    """
    if live is None:
        return tuple(values)
    pairs = zip(values, otherwise, strict=True)
    return tuple(tf.where(live, *pair) for pair in pairs)


def _times(values, factor):
    """Each of the values times a factor, or as they are if it is None."""
    return tuple(values if factor is None else (value * factor for value in values))


def _array(tensor):
    """A `TensorArray` of the tensor's entries, which a loop can read and overwrite."""
    return tf.TensorArray(tf.float32, tensor.shape[0]).unstack(tensor)
