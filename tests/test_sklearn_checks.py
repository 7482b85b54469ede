"""scikit-learn's own checks of both estimators."""

import pytest
from plain import StatefulLSTMClassifier, StatefulLSTMRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklstm

IN_STATE = "order carries meaning in a sequence: what a row is answered depends on the"

EVERY_SEQUENCE = {
    "check_sample_weight_equivalence_on_dense_data": (
        "order carries meaning in a sequence: a repeated row is one more time step, and"
        " a row of weight 0 is still a step, so neither equals a weight or an absence"
    ),
}
STATEFUL = {
    **EVERY_SEQUENCE,
    "check_methods_sample_order_invariance": f"{IN_STATE} rows before it",
    "check_methods_subset_invariance": f"{IN_STATE} rows before it in the same call",
}


def expected_failures(estimator):
    return STATEFUL if estimator.stateful else EVERY_SEQUENCE


@parametrize_with_checks(
    [sklstm.StatefulLSTMRegressor(2)], expected_failed_checks=expected_failures
)
def test_sklearn_check_of_regressor_as_it_comes(estimator, check):
    check(estimator)


@pytest.mark.thorough
@parametrize_with_checks(
    [
        sklstm.StatefulLSTMClassifier(2),
        StatefulLSTMRegressor(),
        StatefulLSTMRegressor(stateful=False),
        StatefulLSTMClassifier(),
        StatefulLSTMClassifier(stateful=False),
    ],
    expected_failed_checks=expected_failures,
)
def test_sklearn_check_of_other_estimators(estimator, check):
    check(estimator)
