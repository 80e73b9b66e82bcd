"""One file to an entry of the base: read, in parts where it is long, in processes, and taken in."""
