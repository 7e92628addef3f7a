"""Who people are: users, subscriptions, preferences, local accounts."""
