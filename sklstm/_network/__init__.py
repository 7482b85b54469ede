"""What is computed: the architecture, the LSTM's loops, losses, and the NumPy pass."""
