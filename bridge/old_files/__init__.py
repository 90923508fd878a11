"""Files of the old mailbox, and what they tell: which invoice, whose, how such files were called.

Only `folder` touches a disk.
"""
