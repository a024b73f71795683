//! The API `issuetracking.dev/v1alpha1` on a real API server: what it takes, what it refuses and in which words, and how
//! kubectl shows it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::needless_pass_by_value, reason = "tables of JSON read better without a reference before each value")]

mod api {
    mod binding;
    mod bounds;
    mod connection;
    mod definition;
    mod examples;
    mod kubectl;
    mod server;
    mod size;
}
