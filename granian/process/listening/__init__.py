"""The sockets that a server listens on: bound once, inherited, handed on, taken off the network without a loss."""
