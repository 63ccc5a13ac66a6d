"""The actor of a user: the inbox, the account, the marks."""
