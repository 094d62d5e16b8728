"""Timings and memory of the network, beside other implementations of it."""
