"""The loop, its losses, the monitor and checkpoints. Refuses to know how reports look."""
