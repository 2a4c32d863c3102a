"""The only place where shell text is made. Nothing here runs anything.

Functions belong in `NAME.sh`, each with a header of the variables that it reads; the modules
fill in arguments. What is worth running, and when, belongs in `planning`.
"""
