//! Quantiles of times.

use std::time::Duration;

/// The time that `percent` of them do not exceed (nearest rank), in milliseconds.
///
/// # Panics
///
/// Without times.
pub fn millis(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1].as_secs_f64() * 1000.0
}
