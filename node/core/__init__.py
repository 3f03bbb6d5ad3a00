"""The node's mind: pure, told everything, deciding effects."""
