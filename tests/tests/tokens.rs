//! Tokens are never lost where that can be helped, and never sent after their successor was stored: the operator is killed,
//! stopped, doubled and refused at every step, on the real control plane, behind a [gateway](tests::gateway).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "tokens/house.rs"]
mod house;
#[path = "tokens/ledger.rs"]
mod ledger;
#[path = "tokens/refresh.rs"]
mod refresh;
