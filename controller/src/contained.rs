//! Passes that end alone, whatever happens in them: one object that nobody has thought of must not stop the work on all others.

use std::{future::Future, panic::AssertUnwindSafe};

use futures::FutureExt;
use kube::runtime::controller::Action;

/// A pass panicked, which is a fault of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pass panicked")]
pub struct Panicked;

/// Runs a pass, and makes an error of a panic. What the pass had taken from memory is gone then, so the next one begins anew.
///
/// # Errors
/// Those of the pass, and [`Panicked`].
pub async fn contained<E: From<Panicked>>(pass: impl Future<Output = Result<Action, E>>) -> Result<Action, E> {
    AssertUnwindSafe(pass).catch_unwind().await.unwrap_or_else(|_| Err(Panicked.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pass_that_panics_is_one_that_fails() {
        let panicking = async { panic!("a pass that panics") };
        assert_eq!(contained::<Panicked>(panicking).await, Err(Panicked));
        let concluding = async { Ok(Action::await_change()) };
        assert_eq!(contained::<Panicked>(concluding).await, Ok(Action::await_change()));
    }
}
