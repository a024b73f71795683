//! What kstatus, Flux, Argo CD, Helm and kubectl make of every status that the operator writes, by their own code.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod verdicts {
    mod agreement;
    mod fixture;
    mod metrics;
    mod reasons;
    mod shipped;
    mod stored;
    mod table;
    mod tool;
    mod wrong;
}
