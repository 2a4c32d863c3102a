"""The only place where shell text is made. Nothing here runs anything."""
