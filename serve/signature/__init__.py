"""An MLflow signature → what a request must be; a request's payload → values a worker takes. Pure.

`spec` reads the signature, `payload` the outer shape of a request body, `binding` joins the two.
"""
