"""Models and embedders: the borders to other machines' intelligence."""
