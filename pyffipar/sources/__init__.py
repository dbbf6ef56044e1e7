"""Where foreign functions come from: libraries, C sources, other packages' objects, pickles."""
