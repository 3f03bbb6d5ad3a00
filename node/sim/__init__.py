"""The simulator: many real machines in one process, in virtual time, from one seed."""
