"""What keeps ledger, archive and mailbox right: at a start, after a backup, and over the years."""
