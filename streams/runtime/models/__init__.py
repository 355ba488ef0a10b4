"""What decides and who is asked: rules that hold now, roles and versions of models, trials of a model."""
