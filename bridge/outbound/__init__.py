"""From the mailbox through the outbox to the hub.

A `round` takes state files in (`taking`, `entering`), sends their updates (`sending`), acknowledges
what was collected (`acknowledge`) and answers what was refused (`answering`).
"""
