"""What happened: the host's ledger, the journal of a run, the audit log.

Here belong formats that outlive a run and who requested it. What a host looks like now belongs
in `host`.
"""
