"""Where the wrapper, the environment and the distributions are."""
