"""How the results of `pytest_report_teststatus` get into the verdicts."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import run

pytestmark = pytest.mark.core


def test_statuses_are_sent_only_of_tests_that_hooks_show_otherwise(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            def pytest_report_teststatus(report):
                if report.when == "call" and "flaky" in report.nodeid:
                    return "flaky", "K", ("FLAKY", {"purple": True, "bold": False})
                if "silent" in report.nodeid:
                    return "", "", ""
            """,
            "test_it.py": """
            import pytest

            def test_flaky(): assert 0
            def test_silent(): pass
            def test_good(): pass
            def test_bad(): assert 0
            @pytest.mark.skip
            def test_skipped(): pass
            @pytest.mark.xfail
            def test_expected(): assert 0
            @pytest.mark.xfail
            def test_unexpected(): pass
            @pytest.fixture
            def torn():
                yield
                assert 0
            def test_torn(torn): pass
            """,
        }
    )
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(engine.fork(host, "runner"), ids)
    shown = {id: verdict["statuses"] for id, verdict in verdicts.items() if "statuses" in verdict}
    assert shown == {
        "test_it.py::test_flaky": [
            {
                "phase": "call",
                "category": "flaky",
                "letter": "K",
                "word": "FLAKY",
                "markup": ["purple"],
            }
        ],
        "test_it.py::test_silent": [],
    }
