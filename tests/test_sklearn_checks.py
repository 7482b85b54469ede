"""scikit-learn's own checks of both estimators."""

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
