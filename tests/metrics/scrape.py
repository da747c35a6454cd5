"""What Prometheus would read."""

from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Server

TOKEN = "kP3uVq8sYw1xZb6nRt4m"
Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(server: Server) -> dict[Sample, float]:
    answer = server.get("/metrics", TOKEN)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def value(server: Server, name: str, **labels: str) -> float | None:
    return scrape(server).get((f"counterfoil_{name}", frozenset(labels.items())))
