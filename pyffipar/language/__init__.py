"""The contract language: declarations and C headers, read and checked. Nothing is loaded, called or computed here."""
