"""Cases that several tests share: what must hold on each database, or for each kind of a thing."""
