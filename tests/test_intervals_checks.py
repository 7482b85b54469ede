"""scikit-learn's own checks of conformal estimators, around light ones."""

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm.intervals import ConformalClassifier, ConformalRegressor


@parametrize_with_checks(
    [
        ConformalRegressor(Ridge(), coverage=0.5),
        ConformalClassifier(LogisticRegression(), coverage=0.5),
    ]
)
def test_sklearn_check(estimator, check):
    check(estimator)
