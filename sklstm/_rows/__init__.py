"""Where rows lie: windows, lanes, and the state that is left. NumPy and pandas."""
