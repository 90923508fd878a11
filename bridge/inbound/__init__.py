"""From the feed through the ledger into the mailbox.

A `round` lists what waits and brings it: each invoice is fetched into the archive (`fetching`) and
becomes visible (`placing`); what the software takes away is seen in `collecting`.
"""
