module hcp-dr.example/workload

go 1.24
