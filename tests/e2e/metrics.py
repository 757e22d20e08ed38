"""A server's metrics as numbers."""

import re

from tests.e2e.server import Server


def value(server: Server, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", server.get("/metrics").text, re.MULTILINE)
    wanted = {f'{label}="{told}"' for label, told in labels.items()}
    return sum(float(number) for told, number in found if wanted <= set(told.split(",")))
