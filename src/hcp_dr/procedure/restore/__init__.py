"""From the backup to a serving control plane on the destination (8.6.3). What comes before the fence here is harmless:
nothing acts on it until the HostedCluster is un-paused (rule D)."""
