"""AWS: the simulator of EC2, Route53 and STS; S3; and the clients for the region's own processes."""
