"""From the backup to a serving control plane on the destination (8.6.3). Steps before the fence are harmless: no
controller acts on their objects until the HostedCluster is un-paused (rule D)."""
