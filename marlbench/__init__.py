"""marlbench: multi-agent reinforcement learning compared fairly, fast and reproducibly."""
