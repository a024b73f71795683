//! The chart: what it renders fits the schemas of the oldest and the newest Kubernetes, the API server takes it, and whoever acts
//! with its roles can do what the roles are for and nothing else.
//!
//! Nothing here runs a pod, because there is no kubelet. So helm gets no `--wait` here, which would wait for one in vain; what a pod
//! would do is done by the operator's program or by requests with the token of its account. The suite `install` waits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod chart {
    mod account;
    mod act;
    mod argocd;
    mod manifests;
    mod people;
    mod policy;
    mod release;
    mod rows;
    mod schemas;
    mod values;
}
