"""The keep lane behind intake: the raw store, its spool, and the worker `process_raw`."""
