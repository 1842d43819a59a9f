"""Workers as their supervisor sees them: who is in which slot, how each fares, who takes whose place."""
