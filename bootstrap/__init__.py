"""How a node finds its first peers, without a list kept by anybody else."""
