"""The only code that runs in a model's own interpreter; started as a folder, it sees only its siblings.

Runs under the oldest Python a model may need (3.9) with the standard library, mlflow, numpy and pandas.
"""
