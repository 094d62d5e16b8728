"""Deposited entries to training, validation and test sets: what is kept, in clusters, drawn with weights."""
