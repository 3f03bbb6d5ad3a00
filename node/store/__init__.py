"""The door to the disk: a signing journal beside LevelDB."""
