"""Machine objects of Cluster API, NodePools, and the instances behind them."""
