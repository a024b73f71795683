//! One pass at a time over each connection, though two queues lead to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

use crate::proof::ConnectionName;

/// Whose turn it is, by connection.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<ConnectionName, Weak<tokio::sync::Mutex<()>>>>);

/// The right to a pass over one connection, until it is dropped.
pub type Turn = OwnedMutexGuard<()>;

impl Turns {
    /// Waits for the pass over the connection that is under way, if there is one.
    pub async fn take(&self, name: &ConnectionName) -> Turn {
        self.of(name).lock_owned().await
    }

    fn of(&self, name: &ConnectionName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        // Only passes under way hold one, so what is left over goes whenever a new one comes.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(name.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn name(text: &str) -> ConnectionName {
        ("platform".into(), text.into())
    }

    #[tokio::test]
    async fn a_second_pass_over_one_connection_waits_and_one_over_another_does_not() {
        let turns = Turns::default();
        let first = turns.take(&name("acme")).await;
        let moment = Duration::from_millis(20);
        assert!(timeout(moment, turns.take(&name("acme"))).await.is_err());
        assert!(timeout(moment, turns.take(&name("other"))).await.is_ok());
        drop(first);
        assert!(timeout(moment, turns.take(&name("acme"))).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_connections_without_a_pass() {
        let turns = Turns::default();
        for number in 0..100 {
            drop(turns.take(&name(&number.to_string())).await);
        }
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
