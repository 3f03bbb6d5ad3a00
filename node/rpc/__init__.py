"""The door to the local user: HTTP on loopback."""
