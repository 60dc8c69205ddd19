from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_cloud.process import LocalCloud
from local_cloud.provisioning import CdkApp, ProvisioningError, SynthesizedStack
from local_cloud.saved_deployments import NotSavedError, SavedDeployments, digest_of
from pubsub_testing import cloud, fixtures


@dataclass
class Cloud(LocalCloud):
    """A cloud without a process."""

    port: int = 1
    pid: int = 1
    state: str | None = None
    is_deployed: bool = False
    has_ended: bool = False

    def end(self) -> None:
        self.has_ended = True


@dataclass
class Saved(SavedDeployments):
    """Saved states by digest, the latest one last."""

    states: list[str] = field(default_factory=list)
    started: list[Cloud] = field(default_factory=list)

    def latest(self) -> str | None:
        return self.states[-1] if self.states else None

    def start(self, digest: str, *_: Any, **__: Any) -> LocalCloud | None:
        if digest not in self.states:
            return None
        self.started.append(Cloud(state=digest))
        return self.started[-1]

    def save(self, digest: str, cloud: LocalCloud) -> None:  # noqa: ARG002
        self.states.append(digest)


@dataclass(frozen=True)
class App(CdkApp):
    """An app that synthesizes the given template."""

    template: str = "{}"

    def synthesize(self, assembly: Path) -> SynthesizedStack:
        if not self.template:
            raise ProvisioningError("the app failed")
        assembly.mkdir()
        (assembly / "template.json").write_text(self.template)
        return SynthesizedStack(assembly, "Stack", {"templateFile": "template.json"})


@pytest.fixture
def new_clouds(monkeypatch: pytest.MonkeyPatch) -> list[Cloud]:
    """The clouds that were started without a state."""
    started: list[Cloud] = []

    def start(**_: Any) -> Cloud:
        started.append(Cloud())
        return started[-1]

    def deploy(_: SynthesizedStack, to: Cloud) -> dict[str, str]:
        to.is_deployed = True
        return {}

    monkeypatch.setattr(LocalCloud, "start", start)
    monkeypatch.setattr(SynthesizedStack, "deploy", deploy)
    monkeypatch.setattr(cloud, "deployed_stack", lambda _: ("Stack", {}))
    return started


def digest(tmp_path: Path, template: str) -> str:
    file = tmp_path / "template.json"
    file.write_text(template)
    return digest_of([file], "Stack")


def provisioned(tmp_path: Path, saved: SavedDeployments | None, template: str) -> Cloud:
    """Return the cloud of a deployment that has ended."""
    with cloud.provisioned(tmp_path, App("", tmp_path, {}, template), saved) as deployment:
        assert isinstance(deployment.cloud, Cloud)
        assert not deployment.cloud.has_ended
    assert deployment.cloud.has_ended
    return deployment.cloud


def test_first_run_deploys_and_saves(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    saved = Saved()
    assert provisioned(tmp_path, saved, "{}").is_deployed
    assert saved.states == [digest(tmp_path, "{}")]
    assert len(new_clouds) == 1


def test_unchanged_template_starts_from_the_latest_state(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    saved = Saved(states=["other", digest(tmp_path, "{}")])
    assert provisioned(tmp_path, saved, "{}").state == digest(tmp_path, "{}")
    assert (len(saved.started), new_clouds) == (1, [])


def test_template_of_an_older_state_starts_from_that_state(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    saved = Saved(states=[digest(tmp_path, "{}"), "other"])
    assert provisioned(tmp_path, saved, "{}").state == digest(tmp_path, "{}")
    assert [(each.state, each.has_ended) for each in saved.started] == [
        ("other", True),
        (digest(tmp_path, "{}"), True),
    ]
    assert new_clouds == []


def test_changed_template_never_uses_the_latest_state(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    saved = Saved(states=[digest(tmp_path, "{}")])
    used = provisioned(tmp_path, saved, '{"changed": true}')
    assert (used.state, used.is_deployed) == (None, True)
    assert [each.has_ended for each in saved.started] == [True]
    assert saved.latest() == digest(tmp_path, '{"changed": true}')
    assert new_clouds == [used]


def test_cloud_ends_if_the_app_fails(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    saved = Saved(states=["latest"])
    with (
        pytest.raises(ProvisioningError, match="the app failed"),
        cloud.provisioned(tmp_path, App("", tmp_path, {}, ""), saved),
    ):
        pass
    assert [each.has_ended for each in saved.started] == [True]
    assert new_clouds == []


def test_known_digest_needs_no_synthesis(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    app = App("", tmp_path, {}, "")
    with cloud.provisioned(tmp_path, app, Saved(states=["known"]), digest="known") as deployment:
        assert isinstance(deployment.cloud, Cloud)
        assert deployment.cloud.state == "known"
    assert new_clouds == []


def test_deployment_works_without_saved_states(tmp_path: Path, new_clouds: list[Cloud]) -> None:
    assert provisioned(tmp_path, None, "{}") == new_clouds[0]


def test_failure_to_save_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*_: Any) -> None:
        raise NotSavedError("no space")

    monkeypatch.setattr(SavedDeployments, "save", save)
    with pytest.warns(UserWarning, match="not saved for the next test run: no space"):
        cloud.save(SavedDeployments(tmp_path), "digest", Cloud())


def test_read_only_cache_is_not_used() -> None:
    def mkdir(_: str) -> Path:
        raise PermissionError("read-only")

    config: Any = SimpleNamespace(cache=SimpleNamespace(mkdir=mkdir))
    assert fixtures._cache_directory(config) is None
