//! `kubectl jira` on a real API server: the program as a person runs it, with a kubeconfig and rights of its own.
//!
//! The operator's side of an authorisation is played by the tests. There is no node, so a port-forward is followed up to the
//! point where the API server would dial one; the suite `forward` goes on from there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]

mod plugin {
    use tests::plugin as program;

    mod authorize;
    mod check;
    mod completion;
    mod forward;
    mod krew;
    mod kubectl;
    mod live;
    mod permissions;
    mod reconcile;
    mod revoke;
    mod scene;
    mod status;
    mod suspend;
    mod verify;
    mod why;
}
