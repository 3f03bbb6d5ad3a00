"""One node of the market: a pure machine in a thin shell."""
