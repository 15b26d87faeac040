"""The whole event store as one archive that either kind of database can be restored from, and back."""
