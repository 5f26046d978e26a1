"""After the relocation: restarts the hosted cluster's network pods, and restores the instances' termination
protection."""
