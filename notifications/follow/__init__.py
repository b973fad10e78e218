"""The tell lane behind the journal: the worker `follow_journal`, from an entry found to an event delivered."""
