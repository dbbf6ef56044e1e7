"""What all roads share: the jobs, the worker protocol, the proofs, the measurements and the report."""
