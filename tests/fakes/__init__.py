"""Services that tests talk to over real sockets, without the services."""
