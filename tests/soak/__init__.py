"""The soak: a steady load while faults come and go, and the accounts of it. See docs/soak.md."""
