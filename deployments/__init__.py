"""What decides: pure values and functions, no I/O, no clock, no Prefect."""
