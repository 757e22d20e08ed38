"""x"""


def write(results, docs):
    pass
