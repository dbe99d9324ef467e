"""What holds without a clock, a file or an actor: the words of the queue and its pure rules."""
