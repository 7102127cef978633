"""A Kubernetes API server in memory, over real HTTP, for the tests.

It is a test double, not a Kubernetes: one asyncio loop in a thread, dicts
instead of etcd, small controllers instead of the real ones, and containers
that are ordinary local processes or merely pretend to run. What it answers
was taken from a real Kubernetes 1.36 (the texts, codes and orders of events)
and it is held to that by tests with `kubectl` and with the official client,
not with ours alone. Types, list keys and merge rules are read from
Kubernetes' own schemas in `kubernetes-validate`; every object that it is sent
is validated against the three minor versions that k3s supports, and what
fails is kept in `cluster.invalid`.

    with FakeKube() as kube:
        kube.kubeconfig(path)                 # for kubectl and clients; TLS, an admin's token
        kube.url                              # plain HTTP where nobody needs to log in
        kube.cluster.faults.pods.append(PodFault(kind="crash", labels={"app": "web"}))
        kube.cluster.faults.api.append(ApiFault(status=429, times=3))

Who writes what:

* `server` HTTP and the start; `verbs` create, replace, patch, apply, delete;
  `store` objects and their history; `watch`, `discovery`, `tables` reading.
* `schema`, `fields`, `apply`, `patches`, `defaults`, `quantity` what an object
  is and becomes; `validation`, `admission`, `rbac` what is refused.
* `controllers/` Deployments, Jobs, garbage, endpoints, budgets, scheduler and
  kubelet; `processes` and `streams` containers, logs, attach and exec.
* `faults` what goes wrong to order; `clock` how fast time passes.

What it does not have: networks (no packet reaches a pod), volumes (but
Secrets in the environment), StatefulSet and DaemonSet controllers, the
managedFields of what its own controllers write into a status.
"""
