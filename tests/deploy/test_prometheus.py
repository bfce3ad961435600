# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A real Prometheus scrapes a real server: its figures are those of the table, and it
understands the alert rules and every expression of the dashboard."""

import json
import re

import pytest
import requests

from tests.harness.waiting import wait_for

from .proxies import OPERATIONS, promtool

TOKEN = "the-token-of-the-test"
GOOD, BAD, WAITING = 40, 2, 3

#: expression -> the same, asked of the tables
FIGURES = {
    'sum(queue_job_attempts_total{outcome="done"})': (
        "SELECT count(*) FROM queue_job WHERE state = 'done'"
    ),
    'sum(queue_job_attempts_total{outcome="failed"})': (
        "SELECT count(*) FROM queue_job WHERE state = 'failed'"
    ),
    "sum(queue_job_run_seconds_count)": "SELECT sum(retry) FROM queue_job",
    'sum(queue_job_jobs{state="scheduled"})': (
        "SELECT count(*) FROM queue_job WHERE eta > now() AT TIME ZONE 'UTC'"
    ),
    'sum(queue_job_state_jobs{state="failed"})': (
        "SELECT count(*) FROM queue_job WHERE state = 'failed'"
    ),
    'queue_job_channel_capacity{channel="root"}': "SELECT 2",
    "sum(queue_job_runner_leader)": (
        "SELECT count(*) FROM queue_job_runner WHERE leader"
    ),
    "queue_job_healthy": "SELECT 1",
}


class Prometheus:
    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        answer = requests.get(f"{self.url}/api/v1/{path}", parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def value(self, expression):
        """The one value of an expression, None where there is none."""
        result = self.get("query", query=expression)["result"]
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None


@pytest.fixture
def server(make_server, database):
    database.rows(
        "INSERT INTO ir_config_parameter (key, value)"
        f" VALUES ('queue_job.metrics_token', '{TOKEN}')"
    )
    server = make_server(3, channels="root:2", options={"proxy_mode": "True"})
    server.wait_runner()
    server.expect_log("The probe bad fails")
    return server


def test_the_figures_agree_with_the_table(server, database, prometheus):
    client = server.client()
    uuids = client.delay_many(GOOD, "record_run", "good")
    uuids += client.delay_many(BAD, "write_and_fail", "bad")
    client.delay_many(WAITING, "record_run", "later", eta=3600)
    assert database.wait_settled(uuids) == {"done": GOOD, "failed": BAD}
    url = prometheus(
        {"TOKEN": TOKEN, "odoo.example.com:8069": f"127.0.0.1:{server.port}"}
    )
    real = Prometheus(url)
    for expression, query in FIGURES.items():
        expected = float(database.value(query))
        wait_for(
            lambda e=expression: real.value(e),
            f"{expression} is {expected}",
            until=lambda value, expected=expected: value == expected,
        )
    assert real.value('up{job="odoo-jobs"}') == 1
    for expression in dashboard_expressions():
        real.get("query", query=expression)
    rules = wait_for(
        lambda: alert_rules(real),
        "all rules evaluated",
        until=lambda rules: all(rule["health"] != "unknown" for rule in rules),
        seconds=90,
    )
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []


def alert_rules(prometheus):
    return [rule for g in prometheus.get("rules")["groups"] for rule in g["rules"]]


def dashboard_expressions():
    """What the panels ask, with values in place of Grafana's variables."""
    text = (OPERATIONS / "grafana-dashboard.json").read_text()
    found = []

    def walk(node):
        if isinstance(node, dict):
            found.extend(v for k, v in node.items() if k == "expr")
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            walk(child)

    walk(json.loads(text))
    assert len(found) > 10
    found = [re.sub(r"\$__(rate_)?interval|\$__range", "1m", each) for each in found]
    return [re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", each) for each in found]


def test_the_alert_rules_are_rules():
    said = promtool("check", "rules", OPERATIONS / "alerts.yml")
    assert re.search(r"SUCCESS: \d+ rules found", said), said
