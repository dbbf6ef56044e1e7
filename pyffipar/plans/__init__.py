"""From a prototype and arrays to a plan, pieces of it, and results: roles, sizes, grids, memory, merges."""
