"""The network: architecture, LSTM loops, a pass in NumPy, targets and losses."""
