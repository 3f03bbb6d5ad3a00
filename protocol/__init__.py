"""What may be said on the network, byte for byte."""
