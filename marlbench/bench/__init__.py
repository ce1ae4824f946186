"""What things cost on this machine: each is measured in a process of its own."""
