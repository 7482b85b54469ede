"""What both estimators share: parameters, inputs, targets, fit and predict."""
