module example.org/hop

go 1.21
