"""Pinion's server: from a pin in git to answers over HTTP, one room for each step of the data."""
