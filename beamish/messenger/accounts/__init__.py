"""What stands behind a login: passwords, tokens, who may try how often."""
