"""The use cases, one in a file: functions over a `context.Context`. The command line only calls these functions."""
