//! Tokens are never lost where that can be helped, and never sent after their successor was stored: the operator is killed,
//! stopped, doubled and refused at every step, on the real control plane, behind a [gateway](tests::gateway).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "tokens/chance.rs"]
mod chance;
#[path = "tokens/exchange.rs"]
mod exchange;
#[path = "tokens/house.rs"]
mod house;
#[path = "tokens/latency.rs"]
mod latency;
#[path = "tokens/race.rs"]
mod race;
#[path = "tokens/refresh.rs"]
mod refresh;
#[path = "tokens/refused.rs"]
mod refused;
