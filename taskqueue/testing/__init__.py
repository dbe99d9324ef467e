"""For tests: the storage contract, and what crashes actors on command. Shipped for users too."""
