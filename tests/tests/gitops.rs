//! What users of GitOps tools see while the operator works: applied in any order, all gets ready without a failure in between, and
//! Helm waits for it and fails at the right moments.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gitops {
    mod helm;
    mod order;
}
