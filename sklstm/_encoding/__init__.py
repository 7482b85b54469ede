"""What the network is shown of rows, and what its outputs mean in the user's units."""
