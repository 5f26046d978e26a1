"""What remains when the hosted cluster has moved: its network pods, and the instances' protection put back."""
