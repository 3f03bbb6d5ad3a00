"""From a set of records to agreement."""
