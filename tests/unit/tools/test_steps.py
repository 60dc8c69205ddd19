from __future__ import annotations

import pytest

from local_cloud.steps import Steps


def test_steps_show_success_and_failure_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError("no network")

    steps = Steps()
    steps.title("deploy")
    assert steps.run("cdk synth", lambda: 7) == 7
    with pytest.raises(OSError, match="no network"):
        steps.run("cdk deploy", fail)
    title, passed, failed = capsys.readouterr().out.splitlines()
    assert title == "deploy"
    assert (passed[:17], len(passed), passed[-6:]) == ("  ok    cdk synth", 80, " 0.0 s")
    assert failed.startswith("  FAIL  cdk deploy  ")
