"""What was used: usage_logs."""
