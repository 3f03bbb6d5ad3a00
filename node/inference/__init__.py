"""The door to models, which run in a process of their own."""
