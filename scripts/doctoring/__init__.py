"""What scripts/doctor.py looks at, what it tries, and what it makes of that."""
