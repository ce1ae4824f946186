"""What the commands of the command line do: each module is one command."""
