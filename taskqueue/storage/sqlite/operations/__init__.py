"""What each verb does inside a transaction: plain functions, run where the connection is."""
