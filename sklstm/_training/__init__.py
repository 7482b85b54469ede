"""How a network learns: what to train, the epoch loop, checkpoints, interrupts."""
