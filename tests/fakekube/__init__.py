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

`kube.cluster` is the state and the order book: `faults`, `requests` (all that
came, in order), `invalid` and `bugs` (each makes the end of the `with` fail),
`set_status` to play a controller that is not here, `run_cron_job` and
`autoscale` to play the clock and the load, `compact` for a 410, `metrics`.
`FakeKube(speed=…)` shrinks periods, deadlines and back-offs; `run="all"` makes
every container a real process. Such a process passes its readiness probe when
it has begun to wait for something; what only pretends passes at once.

Who does what:

* `server` HTTP and the start; `verbs` create, replace, patch, apply, delete;
  `store` objects and their history; `reading`, `discovery`, `tables` all GETs.
* `schema`, `fields`, `apply`, `patches`, `defaults`, `quantity` what an object
  is and becomes; `validation`, `admission`, `rbac`, `manifests` what is wrong
  with it.
* `controllers/` Deployments, Jobs, garbage, endpoints, budgets, scheduler and
  kubelet; `processes` and `streams` containers, logs, attach and exec.
* `faults` what goes wrong to order; `clock` how fast time passes.

What it does not have: networks (no packet reaches a pod), volumes (but
Secrets in the environment), controllers of StatefulSets and DaemonSets,
schedules of CronJobs, the refusal to grant rights that one has not, protobuf
(so `kubectl apply` and `run` work and `kubectl create deployment` does not),
and the managedFields of what its own controllers write into a status.
"""
