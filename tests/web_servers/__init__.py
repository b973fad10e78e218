"""What web servers do to bodies, to slow clients, and how fast they are: `make web-servers`. docs/web-servers.md."""
