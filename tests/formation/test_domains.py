"""Custom domains: whose they are, and what the runtime's routes say of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import connections

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right
from apps.catalog.manage import create_app
from apps.catalog.models import AcmStatus, App, Collaborator, Domain
from apps.formation import certificates, domains
from apps.formation.certificates import look_at, look_at_due
from apps.formation.destroy import destroy
from apps.formation.domains import add_domain, clear_domains, remove_domain
from apps.formation.models import Helm
from apps.formation.reconcile import reconcile
from apps.formation.rollout import roll_out
from apps.formation.spec import spec_of
from apps.releases.models import Release
from paas.instance import Tls, TlsMode
from paas.runtimes.base import Certificate

HOST = "www.example.com"


@pytest.fixture
def live(hello: App, make_release, make_build) -> Release:
    """A release of Alice's app that serves."""
    release: Release = make_release(make_build())
    roll_out(release, lambda line: None)
    return release


@pytest.fixture
def tls(settings) -> Callable[[TlsMode], None]:
    def turn(mode: TlsMode) -> None:
        settings.INSTANCE = replace(settings.INSTANCE, domain="paas.test", tls=Tls(mode))

    return turn


def routed(null) -> set[str]:
    return set(null.routes().hosts)


class TestRoutes:
    def test_a_domain_leads_to_the_app_when_the_verb_returns(self, hello, alice, live, null):
        add_domain(Actor(alice), hello, "WWW.example.com")
        assert routed(null) == {"hello.localhost", HOST}

    def test_one_that_is_removed_does_not_any_more(self, hello, alice, live, null):
        add_domain(Actor(alice), hello, HOST)
        remove_domain(Actor(alice), hello, HOST)
        assert routed(null) == {"hello.localhost"}

    def test_clearing_leaves_the_apps_own_name(self, hello, alice, live, null):
        for name in (HOST, "example.com"):
            add_domain(Actor(alice), hello, name)
        clear_domains(Actor(alice), hello)
        assert routed(null) == {"hello.localhost"}

    def test_a_deploy_that_began_before_brings_no_old_name_back(self, hello, alice, live, null):
        add_domain(Actor(alice), hello, HOST)
        begun = null.apply(spec_of(live), token=10**9)
        remove_domain(Actor(alice), hello, HOST)
        list(begun)
        assert routed(null) == {"hello.localhost"}

    @pytest.mark.parametrize("undo", [False, True])
    def test_killed_half_way_reconcile_ends_it(self, hello, alice, live, null, monkeypatch, undo):
        if undo:
            add_domain(Actor(alice), hello, HOST)
        monkeypatch.setattr(domains, "reroute", _killed)
        with pytest.raises(KeyboardInterrupt):
            (remove_domain if undo else add_domain)(Actor(alice), hello, HOST)
        assert (HOST in routed(null)) is undo
        assert Helm.objects.get(app=hello).wanted > Helm.objects.get(app=hello).applied
        reconcile(str(hello.id))
        assert (HOST in routed(null)) is not undo

    def test_before_the_first_deploy_there_is_nothing_to_lead_to(self, hello, alice, null, api):
        add_domain(Actor(alice), hello, HOST)
        assert routed(null) == set()
        assert api(alice)("GET", f"/apps/hello/domains/{HOST}")[1]["status"] == "none"


def _killed(app: App) -> None:
    raise KeyboardInterrupt


class TestOwnership:
    def test_whose_a_taken_name_is_remains_unsaid(self, hello, alice, bob):
        add_domain(Actor(alice), hello, HOST)
        other = create_app(Actor(bob), "bobs-app")
        with pytest.raises(Refused) as refusal:
            add_domain(Actor(bob), other, HOST)
        assert "in use by another app" in refusal.value.message
        assert "hello" not in refusal.value.message

    def test_twice_is_told(self, hello, alice):
        add_domain(Actor(alice), hello, HOST)
        with pytest.raises(Refused, match="already added to this app"):
            add_domain(Actor(alice), hello, HOST)
        assert Domain.objects.count() == 1

    def test_a_destroyed_app_frees_its_names(self, hello, alice, bob):
        add_domain(Actor(alice), hello, HOST)
        destroy(Actor(alice), hello)
        other = create_app(Actor(bob), "bobs-app")
        assert add_domain(Actor(bob), other, HOST).app == other

    @pytest.mark.parametrize("name", ["other.localhost", "localhost", "10.0.0.1", "*.example.com"])
    def test_names_nobody_may_have(self, hello, alice, name):
        with pytest.raises(Refused):
            add_domain(Actor(alice), hello, name)
        assert not Domain.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_one_gets_it(self, alice, bob):
        apps = [create_app(Actor(user), f"app-of-{n}") for n, user in enumerate((alice, bob))]
        barrier, outcomes = threading.Barrier(2), []

        def add(app: App) -> None:
            barrier.wait()
            try:
                outcomes.append(add_domain(Actor(app.owner), app, HOST).app)
            except Refused as refusal:
                outcomes.append(refusal.status)
            connections.close_all()

        threads = [threading.Thread(target=add, args=(app,)) for app in apps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, outcomes)) == sorted([str(Domain.objects.get().app), "422"])


class TestApi:
    def test_shapes_are_herokus(self, hello, alice, live, api):
        call = api(alice)
        status, made = call("POST", "/apps/hello/domains", {"hostname": HOST, "sni_endpoint": None})
        assert status == 201
        assert (made["kind"], made["cname"], made["status"]) == (
            "custom",
            "hello.localhost",
            "succeeded",
        )
        assert made["acm_status"] is None and made["sni_endpoint"] is None
        own, custom = call("GET", "/apps/hello/domains")[1]
        assert (own["kind"], own["hostname"], own["cname"]) == ("heroku", "hello.localhost", None)
        assert custom == made
        for key in (HOST, made["id"], "WWW.EXAMPLE.COM"):
            assert call("GET", f"/apps/hello/domains/{key}") == (200, made)
        assert call("GET", f"/apps/hello/domains/{own['id']}")[1] == own
        assert call("DELETE", f"/apps/hello/domains/{made['id']}")[0] == 200
        assert call("DELETE", f"/apps/hello/domains/{made['id']}")[0] == 404
        assert call("GET", "/apps/hello/domains")[1] == [own]

    @pytest.mark.parametrize(
        "key", ["%00", "nowhere.example", "no name", "%F0%9F%92%A9", "a" * 300]
    )
    def test_what_is_not_there(self, hello, alice, api, key):
        for method in ("GET", "DELETE"):
            assert api(alice)(method, f"/apps/hello/domains/{key}")[0] == 404

    def test_the_apps_own_name_stays(self, hello, alice, api):
        assert api(alice)("DELETE", "/apps/hello/domains/hello.localhost")[0] == 404

    def test_another_apps_domain_is_not_found_here(self, hello, alice, bob, api):
        domain = add_domain(Actor(alice), hello, HOST)
        create_app(Actor(bob), "bobs-app")
        for key in (HOST, domain.id):
            assert api(bob)("DELETE", f"/apps/bobs-app/domains/{key}")[0] == 404
        assert Domain.objects.exists()

    def test_rights(self, hello, alice, bob, api):
        body = {"hostname": HOST}
        assert api(bob)("GET", "/apps/hello/domains")[0] == 404
        assert api(bob)("POST", "/apps/hello/domains", body)[0] == 404
        rights = Collaborator.objects.create(app=hello, user=bob, right=Right.DEPLOY)
        assert api(bob)("GET", "/apps/hello/domains")[0] == 200
        for method, path in (
            ("POST", "/apps/hello/domains"),
            ("DELETE", f"/apps/hello/domains/{HOST}"),
            ("DELETE", "/apps/hello/domains"),
        ):
            assert api(bob)(method, path, body)[0] == 403, (method, path)
        Collaborator.objects.filter(pk=rights.pk).update(right=Right.OPERATE)
        assert api(bob)("POST", "/apps/hello/domains", body)[0] == 201
        assert api(alice, scopes=["read"])("POST", "/apps/hello/domains", body)[0] == 403


class TestCertificates:
    @pytest.fixture(autouse=True)
    def addresses(self, monkeypatch) -> dict[str, set[str]]:
        known = {"hello.paas.test": {"192.0.2.1"}, HOST: {"192.0.2.1"}}
        monkeypatch.setattr(certificates, "_addresses", lambda name: known.get(name, set()))
        return known

    def look(self, app: App, actor: Actor) -> tuple[str, str]:
        domain = Domain.objects.first() or add_domain(actor, app, HOST)
        look_at(str(domain.id))
        domain.refresh_from_db()
        return domain.acm_status, domain.acm_status_reason

    def test_an_issued_one(self, hello, alice, live, null, tls):
        tls(TlsMode.AUTO)
        null.certificates[HOST] = Certificate(expires=datetime(2027, 2, 1, tzinfo=UTC))
        assert self.look(hello, Actor(alice)) == ("cert issued", "Valid until 2027-02-01.")

    def test_what_the_ca_said(self, hello, alice, live, null, tls, api):
        tls(TlsMode.AUTO)
        null.certificates[HOST] = Certificate(problem="urn:ietf:params:acme:error:connection")
        assert self.look(hello, Actor(alice)) == (
            "failing",
            "urn:ietf:params:acme:error:connection.",
        )
        shown = api(alice)("GET", f"/apps/hello/domains/{HOST}")[1]
        assert (shown["acm_status"], shown["cname"]) == ("failing", "hello.paas.test")

    def test_a_name_that_is_not_in_the_dns(self, hello, alice, live, tls, addresses):
        tls(TlsMode.AUTO)
        del addresses[HOST]
        status, reason = self.look(hello, Actor(alice))
        assert status == "failing" and "not in the DNS yet" in reason
        assert "CNAME of hello.paas.test" in reason

    def test_a_name_that_leads_elsewhere(self, hello, alice, live, tls, addresses):
        tls(TlsMode.AUTO)
        addresses[HOST] = {"198.51.100.7"}
        status, reason = self.look(hello, Actor(alice))
        assert status == "failing" and "198.51.100.7" in reason and "192.0.2.1" in reason

    def test_the_internal_ca_asks_no_dns(self, hello, alice, live, null, tls, addresses):
        tls(TlsMode.INTERNAL)
        addresses.clear()
        null.certificates[HOST] = Certificate(expires=datetime(2027, 2, 1, tzinfo=UTC))
        assert self.look(hello, Actor(alice))[0] == "cert issued"

    def test_before_the_first_deploy_it_waits(self, hello, alice, tls):
        tls(TlsMode.AUTO)
        status, reason = self.look(hello, Actor(alice))
        assert status == "pending" and "deploy it first" in reason

    def test_without_https_nothing_is_claimed(self, hello, alice, live, api):
        assert self.look(hello, Actor(alice)) == ("", "")

    def test_of_two_rounds_one_asks(self, hello, alice):
        add_domain(Actor(alice), hello, HOST)
        seen_by_one, seen_by_another = Domain.objects.get(), Domain.objects.get()
        assert certificates._claim(seen_by_one)
        assert not certificates._claim(seen_by_another)

    def test_each_is_looked_at_again_in_its_turn(self, hello, alice, live, null, tls):
        tls(TlsMode.AUTO)
        assert self.look(hello, Actor(alice))[0] == "failing"
        null.certificates[HOST] = Certificate(expires=datetime(2027, 2, 1, tzinfo=UTC))
        look_at_due()
        assert Domain.objects.get().acm_status == AcmStatus.FAILING, "a CA is not asked too often"
        Domain.objects.update(acm_checked_at=datetime(2026, 1, 1, tzinfo=UTC))
        look_at_due()
        assert Domain.objects.get().acm_status == AcmStatus.ISSUED
