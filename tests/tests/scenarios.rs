//! Every row of both state tables, played on a real API server by the real operator against the Jira simulator: conditions, state,
//! what is written and told, and what is asked of Jira afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]

mod scenarios {
    mod chronicle;
    mod jira;
    mod row;
    mod scene;

    mod binding;
    mod duplicate;
    mod immediate;
    mod interval;
    mod lacking;
    mod limited;
    mod material;
    mod misfit;
    mod namespace;
    mod outage;
    mod projection;
    mod proven;
    mod refused;
    mod restart;
    mod subject;
    mod suspended;
}
