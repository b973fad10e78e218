"""`follow_journal`: the worker of the tell lane."""
