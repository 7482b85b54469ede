# %% [markdown]
# # Learning the alphabet: six ways to put one question to an LSTM
#
# Given some letters of the alphabet, which letter comes next? The question is small
# enough to look at every answer, and shows what a time step, a feature, a batch and a
# state are. It was asked first by Jason Brownlee, "Understanding Stateful LSTM
# Recurrent Neural Networks in Python with Keras" (Machine Learning Mastery, 2016); the
# published accuracies below are from there. His are single runs, these are medians.

# %%
import argparse
import os
import string
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklstm import StatefulLSTMClassifier
from sklstm.plotting import LossCurveDisplay, StateDisplay

parser = argparse.ArgumentParser(description="Six framings of the alphabet.")
parser.add_argument(
    "--seeds",
    type=int,
    default=1 if os.environ.get("QUICK") else 5,
    help="fits of each framing: 5, or 1 where the environment has QUICK set",
)
# A notebook's own arguments are not ours: leave them alone.
options, _ = parser.parse_known_args()
started = time.perf_counter()

# %% [markdown]
# A letter is its place in the alphabet, scaled to 0-1. The targets are the letters
# themselves: the classifier takes labels of any kind and trains with cross-entropy.

# %%
alphabet = np.array(list(string.ascii_uppercase))
values = np.arange(26)[:, np.newaxis] / 26  # (26, 1)
X, y = values[:-1], alphabet[1:]
# scikit-learn wonders at 25 classes in 25 rows: here it is meant.
warnings.filterwarnings("ignore", message="The number of unique classes")


def spell(windows):
    """The letters of one window, from their scaled places."""
    return "".join(alphabet[np.rint(np.ravel(windows) * 26).astype(int)])


results = {}


def learn(name, published, X, y, asked=slice(None), **parameters):
    """Fit once for each seed, print the answers of the first, keep the accuracies."""
    accuracies, begun = [], time.perf_counter()
    for seed in range(options.seeds):
        model = StatefulLSTMClassifier(**parameters, random_state=seed).fit(X, y)
        answers = model.predict(X)
        accuracies.append(100 * np.mean(answers[asked] == y[asked]))
        if seed == 0:
            first, first_answers = model, answers
    seconds = time.perf_counter() - begun
    results[name] = {
        "median %": np.median(accuracies),
        "all seeds %": " ".join(f"{accuracy:.0f}" for accuracy in accuracies),
        "published %": published,
        "seconds": seconds,
    }
    print(f"{name}: {accuracies[0]:.0f} %, {seconds:.1f} s for {options.seeds} fit(s)")
    return first, first_answers


def show(questions, answers, truth):
    """Print each question with its answer, and the right one where it is wrong."""
    said = [
        f"{question}→{answer}" + ("" if answer == right else f" (not {right})")
        for question, answer, right in zip(questions, answers, truth, strict=True)
    ]
    print("  " + "  ".join(said))


# %% [markdown]
# ## 1. One letter, no memory
#
# Each letter is a window of its own, in random order. The network sees a single number
# and must tell 25 of them apart.

# %%
model, answers = learn(
    "one letter",
    "84",
    X,
    y,
    units=32,
    stateful=False,
    epochs=500,
)
show(map(spell, X), answers, y)

# %% [markdown]
# ## 2. Three letters as three features
#
# More context, but all in one time step: the network is not told that the three have
# an order. The recurrence is not used at all.

# %%
three = np.lib.stride_tricks.sliding_window_view(values[:, 0], 3)[:-1]  # (23, 3)
model, answers = learn(
    "three features",
    "82.6-87",
    three,
    alphabet[3:],
    units=32,
    stateful=False,
    epochs=500,
)
show(map(spell, three), answers, alphabet[3:])

# %% [markdown]
# ## 3. Three letters as three time steps
#
# The same letters as a sequence: `sequence_length=3`, and the estimator windows the
# rows by itself. The first two rows have no three letters before them; they are
# answered from what there is, but not trained on, and not counted here.

# %%
model, answers = learn(
    "three time steps",
    "95.7-100",
    X,
    y,
    asked=slice(2, None),
    units=32,
    stateful=False,
    sequence_length=3,
    epochs=500,
)
show(map(spell, three), answers[2:], y[2:])

# %% [markdown]
# ## 4. One letter, the whole set as one batch
#
# One gradient step an epoch over all letters, in order; Keras's habit is to reset the
# state after each batch, so that order within the batch plays no part. It learns a map
# from letter to letter, and answers in any order.

# %%
model, answers = learn(
    "one letter, one batch",
    "100",
    X,
    y,
    units=32,
    stateful=False,
    batch_size=25,
    shuffle=False,
    epochs=5000,
)
show(map(spell, X), answers, y)
order = np.random.default_rng(0).permutation(25)
in_random_order = model.predict(X[order])
print(f"in random order: {100 * np.mean(in_random_order == y[order]):.0f} %")
show(map(spell, X[order]), in_random_order, y[order])

# %% [markdown]
# ## 5. One letter, stateful
#
# The state runs from letter to letter and is reset at the start of each epoch: the
# whole alphabet is one sequence. Windows, loop and resets are the estimator's work.

# %%
reciter, answers = learn(
    "one letter, stateful",
    "100",
    X,
    y,
    units=50,
    stateful=True,
    epochs=300,
)
show(map(spell, X), answers, y)

# %% [markdown]
# What it has learnt is the order, from A on. Fed with A and then with its own answers,
# it recites. Asked for K without anything before it, it takes K for the first letter,
# as A has always been, and answers B. Shown A to J first, it answers L.


# %%
def place(letter, k):
    """A letter as the next row."""
    return values[np.flatnonzero(alphabet == letter)[0]]


recited = reciter.reset_states().forecast(25, start=values[:1], feedback=place)
print("from A:          A", *recited)
cold = reciter.reset_states().forecast(5, start=values[10:11], feedback=place)
print("from K, cold:    K", *cold)
warm = reciter.reset_states().observe(values[:10]).step(values[10:11])
print("from K, after J: K", *warm)

# %% [markdown]
# ## 6. Strings of one to five letters, one model for all
#
# A thousand random pieces of the alphabet, one to five letters long, as a list of
# arrays. Shorter ones are padded at their front, and the padding leaves the state
# untouched. The learning rate starts high and falls to zero along a cosine, which takes
# the model from about 98 % to all of the thousand.

# %%
import keras

rng = np.random.default_rng(7)
begins = rng.integers(0, 25, size=1000)
ends = np.minimum(begins + rng.integers(1, 6, size=1000), 25)
pieces = [values[begin:end] for begin, end in zip(begins, ends, strict=True)]
model, answers = learn(
    "one to five letters",
    "98.4-98.9",
    pieces,
    alphabet[ends],
    units=32,
    stateful=False,
    epochs=500,
    optimizer__learning_rate=keras.optimizers.schedules.CosineDecay(0.01, 500 * 1000),
)
show([spell(piece) for piece in pieces[:20]], answers[:20], alphabet[ends[:20]])

# %% [markdown]
# ## All six, and what the state looks like
#
# The heat map shows the 50 units of the reciter while it reads the alphabet from A:
# no two letters leave it in the same state.

# %%
table = pd.DataFrame(results).T
print()
print(
    table.to_string(
        formatters={"median %": "{:.1f}".format, "seconds": "{:.1f}".format}
    )
)

figure, (curve, heat) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
LossCurveDisplay.from_estimator(reciter, ax=curve)
curve.set_title("One letter, stateful: training loss")
StateDisplay.from_estimator(reciter.reset_states(), X, ax=heat)
heat.set_xticks(range(25), list(alphabet[:25]), fontsize=7)
heat.set_xlabel("letter read")
heat.set_title("Hidden state from A to Y")
figure.savefig("alphabet.png", dpi=120)
print(f"\nalphabet.png written, {time.perf_counter() - started:.0f} s in all")
