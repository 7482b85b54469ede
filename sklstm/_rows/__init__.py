"""Where rows lie: windows, lanes, and the state that is left after them. NumPy only."""
