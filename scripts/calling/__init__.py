"""What scripts/call.py is made of: values from words and files, and outputs that are whole or not there."""
