"""Weights of every family: files to tensors (readers), tensors to our parameters (rules), and the table of families."""
