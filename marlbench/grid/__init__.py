"""Many runs: what is played where, and when."""
