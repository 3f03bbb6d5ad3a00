"""The door to libp2p."""
