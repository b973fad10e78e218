"""`process_raw`: the worker of the keep lane."""
