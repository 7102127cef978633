"""Who is calling, and what Roles and ClusterRoles let them do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import ApiError, Json, details
from .kinds import Kind, named
from .store import Store

ADMIN_TOKEN = "fakekube-admin"


@dataclass(frozen=True)
class User:
    """A name and its groups; `system:masters` may do everything."""

    name: str
    groups: frozenset[str] = frozenset()


ADMIN = User("system:admin", frozenset({"system:masters", "system:authenticated"}))
ANONYMOUS = User("system:anonymous", frozenset({"system:unauthenticated"}))


@dataclass(frozen=True)
class Attributes:
    """What is asked for. Args: kind: None for paths that are no resource."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def full(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass
class Access:
    """Tokens, and the rules that the store's roles make."""

    store: Store
    tokens: dict[str, User] = field(default_factory=lambda: {ADMIN_TOKEN: ADMIN})

    def issue(self, namespace: str, account: str) -> str:
        """A new token of a service account."""
        token = f"fakekube.{secrets.token_urlsafe(24)}"
        name = f"system:serviceaccount:{namespace}:{account}"
        groups = {"system:authenticated", "system:serviceaccounts"}
        groups.add(f"system:serviceaccounts:{namespace}")
        self.tokens[token] = User(name, frozenset(groups))
        return token

    def user(self, authorization: str, *, default: User) -> User:
        """Whose request it is by its Authorization header.

        Raises:
            ApiError: 401, nobody's token.
        """
        if not authorization:
            return default
        found = self.tokens.get(authorization.removeprefix("Bearer ").strip())
        if found is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return found

    def allows(self, user: User, wanted: Attributes) -> bool:
        if "system:masters" in user.groups or wanted.group == "authorization.k8s.io":
            return True
        return any(_covers(rule, wanted) for rule in self._rules(user, wanted.namespace))

    def demand(self, user: User, wanted: Attributes, kind: Kind) -> None:
        """Raises a 403 in the authorizer's words."""
        if self.allows(user, wanted):
            return
        scope = (
            f' in the namespace "{wanted.namespace}"'
            if wanted.namespace
            else (" at the cluster scope")
        )
        named_ = (
            f'{kind.resource} "{wanted.name}" is forbidden'
            if wanted.name
            else (f"{kind.resource} is forbidden")
        )
        raise ApiError(
            403,
            "Forbidden",
            f'{named_}: User "{user.name}" cannot {wanted.verb} resource "{wanted.full}" in API'
            f' group "{wanted.group}"{scope}',
            details=details(kind, wanted.name),
        )

    def _rules(self, user: User, namespace: str) -> Iterator[Json]:
        bindings = [(each, "") for each in self.store.all(named("ClusterRoleBinding"))]
        if namespace:
            bound = self.store.all(named("RoleBinding"), namespace)
            bindings += [(each, namespace) for each in bound]
        for binding, where in bindings:
            if any(_is(subject, user, where) for subject in binding.get("subjects", [])):
                role = binding["roleRef"]
                kind = named(role["kind"])
                found = self.store.get(kind, where if kind.namespaced else "", role["name"])
                yield from (found or {}).get("rules") or []


def _is(subject: Json, user: User, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        space = subject.get("namespace", namespace)
        return user.name == f"system:serviceaccount:{space}:{subject['name']}"
    return subject["name"] in (user.groups if subject["kind"] == "Group" else {user.name})


def _covers(rule: Json, wanted: Attributes) -> bool:
    def has(name: str, *values: str) -> bool:
        return any(value in ("*", *values) for value in rule.get(name, []))

    names = rule.get("resourceNames")
    return (
        has("verbs", wanted.verb)
        and has("apiGroups", wanted.group)
        and has("resources", wanted.full, f"*/{wanted.subresource or '-'}")
        and (not names or wanted.name in names)
    )
