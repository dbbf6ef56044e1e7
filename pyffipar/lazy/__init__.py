"""Calls on dask arrays."""
