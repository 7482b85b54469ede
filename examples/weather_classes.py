# %% [markdown]
# # What will the weather be like tomorrow?
#
# Four years of daily weather in Seattle, with a class in words: drizzle, fog, rain,
# snow or sun. The classifier forecasts the class of the next day. The classes are very
# uneven, so they are weighted, and judged by the balanced accuracy: the mean, over the
# classes, of the share that is found.

# %%
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import TimeSeriesSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import StatefulLSTMClassifier
from sklstm.datasets import load_seattle_weather

X, y = load_seattle_weather(return_X_y=True)
print(y.value_counts().to_string())

# %%
lstm = StatefulLSTMClassifier(
    units=16,
    batch_size=7,
    sequence_length=7,
    epochs=10,
    class_weight="balanced",
    random_state=0,
)
models = {
    "stateful LSTM": make_pipeline(StandardScaler(), lstm),
    "most frequent class": DummyClassifier(strategy="most_frequent"),
}
folds = TimeSeriesSplit(n_splits=3, test_size=180)
scores = {
    name: cross_validate(
        model, X, y, cv=folds, scoring=["balanced_accuracy", "accuracy"]
    )
    for name, model in models.items()
}

# %% [markdown]
# The other baseline, "tomorrow is like today", needs no fitting: today's class is in X.

# %%
table = pd.DataFrame(
    {
        name: {
            "balanced accuracy": score["test_balanced_accuracy"].mean(),
            "accuracy": score["test_accuracy"].mean(),
        }
        for name, score in scores.items()
    }
).T
today = load_seattle_weather()["weather"].to_numpy()[:-1]
table.loc["as today"] = [
    sum(
        balanced_accuracy_score(y.iloc[test], today[test]) for _, test in folds.split(X)
    )
    / folds.get_n_splits(),
    sum((y.iloc[test] == today[test]).mean() for _, test in folds.split(X))
    / folds.get_n_splits(),
]
print("\nMean over the three stretches of 180 days")
print(table.round(3).to_string())

# %% [markdown]
# Fitted on all days but the last week, with its probabilities for that week.

# %%
model = models["stateful LSTM"].fit(X[:-7], y[:-7])
probability = pd.DataFrame(
    model.predict_proba(X[-7:]),
    index=X.index[-7:] + X.index.freq,
    columns=model.classes_,
)
probability["forecast"] = model.predict(X[-7:])
probability["truth"] = y[-7:].to_numpy()
print("\nThe last week")
print(probability.round(2).to_string())
