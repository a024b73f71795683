//! The rights of the operator: they suffice, each of them is used, and without one the operator says so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rights {
    mod namespaces;
    mod refused;
    mod used;
}
