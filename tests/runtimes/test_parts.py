"""The small parts alone: routes, state, output budget."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from paas.instance import Instance, current
from paas.runtimes.base import RuntimeFailure, StaleToken
from paas.runtimes.local import supervisor_rpc
from paas.runtimes.local.routes import SLOTS, Routes
from paas.runtimes.local.state import AppState, Phase, Record, StateStore, is_alive, owner


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return current({"PAAS_HOME": str(tmp_path / "home"), "PAAS_RUN": str(tmp_path / "run")})


def names(instance: Instance, host: str) -> list[str]:
    """Route files, the newest first."""
    files = (instance.routes / "hosts" / host).iterdir()
    return [f.name for f in sorted(files, key=lambda f: -f.stat().st_mtime_ns)]


class TestRoutes:
    def test_name_holds_the_ports_in_all_slots(self, instance: Instance) -> None:
        Routes(instance).set(["a.localhost"], [20001, 20000], maintenance=False)
        (name,) = names(instance, "a.localhost")
        assert name.split(",") == ["20000", "20001"] * (SLOTS // 2)

    def test_the_new_file_is_newest_though_the_clock_stepped_back(self, instance: Instance) -> None:
        routes = Routes(instance)
        routes.set(["a.localhost"], [20000], maintenance=False)
        (old,) = (instance.routes / "hosts" / "a.localhost").iterdir()
        future = time.time_ns() + 3600 * 10**9
        os.utime(old, ns=(future, future))
        routes.set(["a.localhost"], [20001], maintenance=False)
        assert names(instance, "a.localhost")[0].startswith("20001,")

    def test_old_files_outlive_the_switch(self, instance: Instance) -> None:
        routes = Routes(instance)
        routes.set(["a.localhost"], [20000], maintenance=False)
        routes.set(["a.localhost"], [20001], maintenance=False)
        assert not routes.tidy(["a.localhost"])
        assert len(names(instance, "a.localhost")) == 2
        past = time.time() - 60
        for age, file in enumerate(names(instance, "a.localhost")):
            os.utime(instance.routes / "hosts" / "a.localhost" / file, (past, past - age))
        assert routes.tidy(["a.localhost"])
        assert [n[:5] for n in names(instance, "a.localhost")] == ["20001"]

    @pytest.mark.parametrize(
        "host", ["", ".", "..", "../x", "a/b", "A.localhost", "a..b", "*", "-"]
    )
    def test_refuses_what_is_no_host(self, instance: Instance, host: str) -> None:
        with pytest.raises(RuntimeFailure):
            Routes(instance).set([host], [20000], maintenance=False)


class TestState:
    record = Record("id1", "web.1", Phase.LIVE, 1, "f", "run", "standard", port=20000)

    def test_is_kept(self, instance: Instance) -> None:
        store = StateStore(instance)
        state = AppState("a", token=3, release=2, hosts=("h",), records=(self.record,))
        with store.locked("a") as slot:
            slot.save(state)
        assert StateStore(instance).read("a") == state
        assert store.app_ids() == ["a"]

    def test_is_forgotten_with_its_folder(self, instance: Instance) -> None:
        store = StateStore(instance)
        with store.locked("a") as slot:
            slot.save(AppState("a", token=1))
            slot.forget()
        assert store.app_ids() == []
        assert not store.folder("a").exists()

    def test_tokens_only_grow(self) -> None:
        state = AppState("a", token=3)
        state.check(3)
        with pytest.raises(StaleToken):
            state.check(2)
        with pytest.raises(StaleToken):
            replace(state, removed=True).check(3)

    def test_type_is_the_name_without_its_number(self) -> None:
        assert replace(self.record, name="a.b-c.12").type == "a.b-c"

    def test_an_owner_lives_as_long_as_its_process(self) -> None:
        assert is_alive(owner())
        assert not is_alive(f"{os.getpid()}:1")
        assert not is_alive("")


def test_output_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    budget = supervisor_rpc.OutputBudget()
    budget.spend(supervisor_rpc.OUTPUT_BURST)
    assert not budget.left()
    clock[0] += 1
    assert budget.left()
    budget.spend(supervisor_rpc.OUTPUT_RATE + 1)
    assert not budget.left()
