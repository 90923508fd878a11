"""The old mailbox as a feed.

It is listened to (`listening`, `understanding`), whether it serves or is the shadow; `inbound` and
`outbound` are the two flows while it serves.
"""
