"""Our reading of mail beside that of others, over their own test mails; ``scripts/peers``."""
