"""The roads round the GIL: one module each, and in `common` what drives, proves, measures and shows them.

A road's module holds a tuple ``ROADS`` (what it is, what it needs, how its worker starts) and, if its worker runs in
this kind of interpreter, a function ``prepare(variant, work)`` that makes a job ready to run. ``common/jobs.py`` and
``foreign/jobs.c`` are the jobs; ``foreign`` holds what is written for other interpreters and compilers.
"""
