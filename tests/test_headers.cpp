// Has nothing of its own: this target precompiles the headers of the test programs.
