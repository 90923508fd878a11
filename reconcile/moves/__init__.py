"""Moving an account from one feed to the other, and back.

rules        what is done with an invoice, by where it stands: two tables
looking      where everything stands now, and the plan that follows
plan         the plan as a value: printed, written down, compared with a later one
reach        what is out of reach, and how far a move has come
cutover      to REST
rollback     back to the old mailbox, or into a folder: when, and how (`way`)
rolling_back one run of it, step by step
old_mailbox  what a rollback takes away there and puts there
late         what the old hub delivers only afterwards
handing_over what leaves our mailbox for a folder
folder       that folder, in legacy form; `manifest` says what is in it
elsewhere    another folder for one that was lost
updates      state updates that are still to be told
balance      every invoice in exactly one place, read back from the real ones
"""
