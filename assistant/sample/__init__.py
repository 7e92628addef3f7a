"""A sample learner with a space to talk in: for the demo."""
