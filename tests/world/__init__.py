"""A simulated world: the real code of the jobs over real SQLite, one clock, one source of chance, and every fault."""
