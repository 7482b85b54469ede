"""The forward and backward loops of an LSTM layer over time, for XLA to compile.

The arithmetic is that of Keras's LSTM layer. These loops are several times faster than
the ones that Keras traces, for five reasons:

- The inputs of all steps are multiplied by the kernel in one matrix product before the
  forward loop, and the gradient of each weight is one product after the backward loop.
- One ``tanh`` serves all four gates: see `cell.halves`.
- Only the recurrence itself stays inside the loops: a matrix product and a few sums.
  The other terms are computed for all steps at once, before or after the loop: each h
  from c and the output gate, and the factors of each gate's gradient.
- Each loop overwrites the array that it reads (the gates replace the projected inputs,
  the gradients replace their factors), so that XLA allocates and clears no other.
- A loop ends at a step number and at nothing else, and its body compiles to at most
  eight operations unless steps are masked. XLA on the CPU runs a body of up to eight
  operations on one thread; it hands a longer one to several threads at every step.

The weights of a layer come as one *block*, an array of shape (F + U + 1, 4U): the
kernel, the recurrent kernel and the bias, stacked by rows. Their gradient is then a
single matrix product.

Symbols: B lanes, T steps, F features, U units; gates i, f, g, o as in `cell`.
"""

from __future__ import annotations

import functools
import types

from sklstm._network import cell
from sklstm._tensorflow import keras, tf


def speed_up(model: keras.Model) -> None:
    """Have every plain LSTM layer of `model` run the loops of this module.

    The layers remain `keras.layers.LSTM` objects; only their `inner_loop` is replaced.
    """
    for layer in model._flatten_layers(include_self=False):
        if _has_plain_recurrence(layer):
            layer.inner_loop = types.MethodType(_inner_loop, layer)


def _has_plain_recurrence(layer) -> bool:
    """Whether `lstm` computes what the layer computes: default activations, float32."""
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
    h, c = initial_state
    live = None if mask is None else tf.transpose(mask)[:, :, tf.newaxis]  # (T, B, 1)
    outputs, h, c = lstm(
        tf.transpose(sequences, (1, 0, 2)),
        h,
        c,
        stack_weights(*lstm_weights(self)),
        live,
    )
    if not self.return_sequences:
        outputs = h[tf.newaxis]
    return h, tf.transpose(outputs, (1, 0, 2)), [h, c]


def lstm_weights(layer) -> tuple:
    """The layer's kernel, recurrent kernel and bias, in this order."""
    return layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias


def stack_weights(*weights):
    """The block of a layer: its kernels stacked by rows, then the bias as a row."""
    *kernels, bias = map(tf.convert_to_tensor, weights)
    return tf.concat([*kernels, bias[tf.newaxis]], 0)


def with_ones(*arrays):
    """The arrays joined by columns, and a column of ones that multiplies the bias."""
    n = arrays[0].shape[0] or tf.shape(arrays[0])[0]
    return tf.concat([*arrays, tf.ones((n, 1))], 1)


def lstm(x, h, c, block, live=None, carry=None, steps=None):
    """One LSTM layer over all steps, with its own gradient.

    Takes x of shape (T, B, F), the states h and c of shape (B, U) and a block. Returns
    the outputs of shape (T, B, U) and the h and c after the last step.

    `live`, of shape (T, B, 1) or None, is False at steps that leave h and c unchanged.
    `carry`, of shape (T, B, 1) or None, is 0 at steps that start from zero state, and 1
    at those that continue from the step before. Only one of the two may be given.
    `steps` is a pair of tensors, the first step to take and the one after the last:
    outputs of the others are not to be used. None takes all. Where the first is not
    step 0, the states given must be zero.
    """
    if x.shape[0] == 1:
        walk = functools.partial(_one_step, live, carry)
    else:
        walk = functools.partial(_many_steps, live, carry, steps)
    return tf.custom_gradient(lambda *arguments: walk(*arguments))(x, h, c, block)


def lstm_forward(x, h, c, block, n_steps, live=None, carry=None):
    """`lstm` over the first `n_steps` steps, without a gradient.

    `n_steps` is a tensor: the steps after it are not computed, and their outputs are
    zero. Here `live` and `carry` may both be given.
    """
    _, n_lanes, n_features = x.shape
    units = h.shape[1]
    halves = cell.halves(units)
    W, R, b = tf.split(block, [n_features, units, 1])
    # scaled once before the loop, so that a step is a product, a sum and a tanh
    W, R, b = W * halves, R * halves, b * halves
    z = with_ones(tf.reshape(x, (-1, n_features))) @ tf.concat([W, b], 0)  # (T*B, 4U)

    def step(t, h, c, hs):
        h_0, c_0 = h, c
        if carry is not None:
            h_0, c_0 = h * carry[t], c * carry[t]
        # By rows, since XLA copies all of z to reshape it to (T, B, 4U) where B is 1.
        z_t = tf.slice(z, (t * n_lanes, 0), (n_lanes, cell.N_GATES * units))
        i, f, g, o = _gates(tf.tanh(z_t + h_0 @ R), halves)
        c_t = f * c_0 + i * g
        h_t = o * tf.tanh(c_t)
        if live is not None:
            h_t, c_t = tf.where(live[t], h_t, h), tf.where(live[t], c_t, c)
        return t + 1, h_t, c_t, hs.write(t, h_t)

    hs = _array(tf.zeros((x.shape[0], n_lanes, units)))
    _, h, c, hs = tf.while_loop(lambda t, *_: t < n_steps, step, (0, h, c, hs))
    return hs.stack(), h, c


def _one_step(live, carry, x, h, c, block):
    """One step without a loop, which halves the time of a pass with T = 1."""
    n_features, units = x.shape[2], h.shape[1]
    halves = cell.halves(units)
    if carry is not None:
        h, c = h * carry[0], c * carry[0]
    inputs = with_ones(tf.squeeze(x, 0), h)  # (B, F + U + 1)
    a = tf.tanh((inputs @ block) * halves)  # (B, 4U)
    i, f, g, o = _gates(a, halves)
    c_t = f * c + i * g
    tanh_c = tf.tanh(c_t)
    h_t = _where(live, o * tanh_c, h)

    def gradient(d_outputs, d_h, d_c):
        d_h = d_h + tf.squeeze(d_outputs, 0)
        d_c_t = d_c + d_h * o * (1.0 - tanh_c * tanh_c)
        d_gates = tf.concat([d_c_t * g, d_c_t * c, d_c_t * i, d_h * tanh_c], 1)
        d_z = _where(live, d_gates * halves**2 * (1.0 - a * a), 0.0)  # (B, 4U)
        d_inputs = tf.matmul(d_z, block, transpose_b=True)
        d_x, d_h_before, _ = tf.split(d_inputs, [n_features, units, 1], 1)
        d_h_before = d_h_before if live is None else _where(live, d_h_before, d_h)
        d_c_before = _where(live, d_c_t * f, d_c)
        if carry is not None:
            d_h_before, d_c_before = d_h_before * carry[0], d_c_before * carry[0]
        return (
            tf.expand_dims(d_x, 0),
            d_h_before,
            d_c_before,
            tf.matmul(inputs, d_z, transpose_a=True),
        )

    return (tf.expand_dims(h_t, 0), h_t, _where(live, c_t, c)), gradient


def _many_steps(live, carry, steps, x, h, c, block):
    """Several steps: a forward loop, and a gradient that loops backwards."""
    n_steps, n_lanes, n_features = x.shape
    n_lanes = tf.shape(x)[1] if n_lanes is None else n_lanes
    units = h.shape[1]
    halves = cell.halves(units)
    W, R, b = tf.split(block, [n_features, units, 1])
    z = with_ones(tf.reshape(x, (-1, n_features))) @ tf.concat([W, b], 0)  # (T*B, 4U)
    z = tf.reshape(z, (n_steps, n_lanes, cell.N_GATES * units))
    if carry is not None:
        h, c = h * carry[0], c * carry[0]
        # h and c of a step are multiplied by the next step's `carry`, the last by one
        hand_on = tf.pad(carry[1:], [[0, 1], [0, 0], [0, 0]], constant_values=1.0)
    h_0 = h

    def step(t, h, c, cs, zs, *hs):
        a = tf.tanh((zs.read(t) + h @ R) * halves)  # (B, 4U)
        i, f, g, o = _gates(a, halves)
        c_t = f * c + i * g
        h_t = o * tf.tanh(c_t)
        if live is not None:
            h_t, c_t = tf.where(live[t], h_t, h), tf.where(live[t], c_t, c)
        cs, *written = cs.write(t + 1, c_t), *(array.write(t, h_t) for array in hs)
        if carry is not None:
            h_t, c_t = h_t * hand_on[t], c_t * hand_on[t]
        return t + 1, h_t, c_t, cs, zs.write(t, a), *written

    cs = _array(tf.pad(c[tf.newaxis], [[0, n_steps], [0, 0], [0, 0]]))
    hs = () if live is None else (tf.TensorArray(tf.float32, n_steps),)
    first, stop = (0, n_steps) if steps is None else steps
    _, h, c, cs, zs, *hs = tf.while_loop(
        lambda t, *_: t < stop,
        step,
        (first, h, c, cs, _array(z), *hs),
    )
    a, cs = zs.stack(), cs.stack()  # (T, B, 4U) and (T + 1, B, U), where cs[0] = c_0
    outputs = _gates(a, halves)[3] * tf.tanh(cs[1:]) if live is None else hs[0].stack()

    # `gradient` recomputes everything except `a`, `cs` and `outputs`. Where it is
    # compiled apart from the forward pass, it then receives fewer arrays; where both
    # are compiled together, XLA computes the common terms only once.
    def gradient(d_outputs, d_h, d_c):
        W, R, _ = tf.split(block, [n_features, units, 1])
        x_flat = tf.reshape(x, (-1, n_features))  # (T*B, F)
        i, f, g, o = _gates(a, halves)
        tanh_c = tf.tanh(cs[1:])
        c_before = cs[:-1] if carry is None else cs[:-1] * carry
        # d_z is d_c times the first three gates' factors and d_h times the fourth's
        to_i, to_f, to_g, to_o = tf.split(halves**2 * (1.0 - a * a), cell.N_GATES, 2)
        to_z = tf.concat([g * to_i, c_before * to_f, i * to_g, tanh_c * to_o], 2)
        # d_c of a step is d_h times `to_c`, plus the next step's d_c times its `keep`
        to_c, keep = o * (1.0 - tanh_c * tanh_c), f
        if live is not None:
            to_z, to_c = tf.where(live, to_z, 0.0), tf.where(live, to_c, 0.0)
            keep = tf.where(live, keep, 1.0)
        if carry is not None:
            keep = keep * carry
        keep = tf.pad(keep, [[0, 1], [0, 0], [0, 0]], constant_values=1.0)
        if steps is not None:
            # Steps not taken must leave d_z zero, and hand on the last d_c as it is.
            count = tf.reshape(tf.range(n_steps), (-1, 1, 1))  # (T, 1, 1)
            to_z = tf.where((count >= first) & (count < stop), to_z, 0.0)
            keep = _array(keep).write(stop, tf.ones_like(d_c)).stack()

        R_transposed = tf.transpose(R)  # here, or the loop would do it at every step

        def step_back(t, d_h, d_c, d_zs):
            d_h += d_outputs[t]
            d_c = d_c * keep[t + 1] + d_h * to_c[t]
            d_z = tf.concat([d_c, d_c, d_c, d_h], 1) * d_zs.read(t)  # (B, 4U)
            d_h_before = d_z @ R_transposed
            if live is not None:
                d_h_before = tf.where(live[t], d_h_before, d_h)
            if carry is not None:
                d_h_before *= carry[t]
            return t - 1, d_h_before, d_c, d_zs.write(t, d_z)

        _, d_h, d_c, d_zs = tf.while_loop(
            lambda t, *_: t >= first,
            step_back,
            (stop - 1, d_h, d_c, _array(to_z)),
        )
        d_z = tf.reshape(d_zs.stack(), (-1, cell.N_GATES * units))  # (T*B, 4U)
        d_x = tf.matmul(d_z, W, transpose_b=True)
        h_before = tf.concat([h_0[tf.newaxis], outputs[:-1]], 0)
        if carry is not None:
            h_before *= carry
        inputs = with_ones(x_flat, tf.reshape(h_before, (-1, units)))
        return (
            tf.reshape(d_x, (n_steps, n_lanes, n_features)),
            d_h,
            d_c * tf.gather(keep, first),  # `keep[first]` would compile `steps` in
            tf.matmul(inputs, d_z, transpose_a=True),
        )

    return (outputs, h, c), gradient


def _gates(a, halves):
    """The gates i, f, g and o, from a = tanh(z * halves)."""
    return tf.split(a * halves + (1.0 - halves), cell.N_GATES, axis=-1)


def _where(live, value, otherwise):
    """`value` in the lanes whose single step is live, and `otherwise` in the others.

    Without a mask (`live` is None) every lane is live.
    """
    return value if live is None else tf.where(live[0], value, otherwise)


def _array(tensor):
    """A `TensorArray` of the tensor's entries, which a loop can read and overwrite."""
    return tf.TensorArray(tf.float32, tensor.shape[0]).unstack(tensor)
