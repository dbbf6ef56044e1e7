"""What Python, NumPy and the operating system bring along: addresses, CPUs, forks, files, signals, floating point."""
