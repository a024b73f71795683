//! The order in which connections are taken up: what changes does not wait behind what is merely there.
//!
//! An operator that takes over finds every connection due. If all of them were handed over at once, a Secret that is rotated meanwhile
//! would be looked at after the last of them. So what is merely there is handed over a few at a time, and a change as soon as it is
//! told.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::{Stream, StreamExt, channel::mpsc::UnboundedReceiver};

use crate::rush::{Hurry, Rush};

/// Why a pass is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something has changed.
    Change,
    /// It is there: a listing shows it, or it is new.
    Presence,
}

/// Those that are woken, by the cause.
pub struct Woken<T> {
    /// Because of a change.
    pub changed: UnboundedReceiver<T>,
    /// Because they are there.
    pub present: UnboundedReceiver<T>,
}

impl<T> Woken<T> {
    /// The next of them, whatever the cause.
    pub async fn next(&mut self) -> Option<T> {
        tokio::select! {
            changed = self.changed.next() => changed,
            present = self.present.next() => present,
        }
    }
}

/// Hands them over in order.
pub struct Backlog<T> {
    woken: Woken<T>,
    order: VecDeque<T>,
    /// Those of `order` that were not handed over for another reason meanwhile.
    due: HashSet<T>,
    places: Places<T>,
}

/// Places for those that are merely there, and those that have changed, which need none. Each is given back when a pass over its object has
/// ended.
#[derive(Clone)]
pub struct Places<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    most: usize,
    taken: HashSet<T>,
    changed: HashMap<T, Hurry>,
    rush: Rush,
    waiting: Option<Waker>,
}

impl<T: Clone + Eq + Hash> Places<T> {
    /// So many places. There is a rush while something that has changed is worked on.
    #[must_use]
    pub fn new(most: usize, rush: Rush) -> Self {
        let (taken, changed) = (HashSet::new(), HashMap::new());
        Self(Arc::new(Mutex::new(State { most, taken, changed, rush, waiting: None })))
    }

    /// A pass over this object has ended, for whatever reason it began.
    pub fn give_back(&self, object: &T) {
        let mut state = self.state();
        state.changed.remove(object);
        if state.taken.remove(object)
            && let Some(waiting) = state.waiting.take()
        {
            waiting.wake();
        }
    }

    fn hurry(&self, object: T) {
        let mut state = self.state();
        let hurry = state.rush.begin();
        state.changed.insert(object, hurry);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Eq + Hash> Backlog<T> {
    /// Hands over what is woken, and of what is merely there no more than there are places.
    #[must_use]
    pub fn new(woken: Woken<T>, places: Places<T>) -> Self {
        Self { woken, order: VecDeque::new(), due: HashSet::new(), places }
    }

    /// The next one that is merely there, if there is a place for it.
    fn next_present(&mut self, cx: &Context<'_>) -> Option<T> {
        let mut state = self.places.state();
        while let Some(next) = self.order.front() {
            if !self.due.contains(next) {
                self.order.pop_front();
                continue;
            }
            if state.taken.len() >= state.most {
                state.waiting = Some(cx.waker().clone());
                return None;
            }
            let next = self.order.pop_front()?;
            self.due.remove(&next);
            state.taken.insert(next.clone());
            return Some(next);
        }
        None
    }
}

impl<T: Clone + Eq + Hash + Unpin> Stream for Backlog<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        while let Poll::Ready(Some(present)) = self.woken.present.poll_next_unpin(cx) {
            if self.due.insert(present.clone()) {
                self.order.push_back(present);
            }
        }
        if let Poll::Ready(Some(changed)) = self.woken.changed.poll_next_unpin(cx) {
            self.due.remove(&changed);
            self.places.hurry(changed.clone());
            return Poll::Ready(Some(changed));
        }
        self.next_present(cx).map_or(Poll::Pending, |next| Poll::Ready(Some(next)))
    }
}

#[cfg(test)]
mod tests {
    use futures::{
        FutureExt,
        channel::mpsc::{UnboundedSender, unbounded},
    };

    use super::*;

    struct Desk {
        changed: UnboundedSender<u32>,
        present: UnboundedSender<u32>,
        places: Places<u32>,
        rush: Rush,
        backlog: Backlog<u32>,
    }

    fn desk(most: usize) -> Desk {
        let (changed, changed_queue) = unbounded();
        let (present, present_queue) = unbounded();
        let rush = Rush::default();
        let places = Places::new(most, rush.clone());
        let backlog = Backlog::new(Woken { changed: changed_queue, present: present_queue }, places.clone());
        Desk { changed, present, places, rush, backlog }
    }

    impl Desk {
        fn change(&self, object: u32) {
            self.changed.unbounded_send(object).unwrap();
        }

        fn list(&self, objects: impl IntoIterator<Item = u32>) {
            objects.into_iter().for_each(|object| self.present.unbounded_send(object).unwrap());
        }

        /// Everything that is handed over now.
        fn handed_over(&mut self) -> Vec<u32> {
            std::iter::from_fn(|| self.backlog.next().now_or_never().flatten()).collect()
        }
    }

    #[test]
    fn what_changes_passes_what_is_merely_there() {
        let mut desk = desk(2);
        desk.list(0..100);
        assert_eq!(desk.handed_over(), [0, 1]);
        desk.change(99);
        assert_eq!(desk.handed_over(), [99]);
        desk.places.give_back(&0);
        assert_eq!(desk.handed_over(), [2]);
    }

    #[test]
    fn there_is_a_rush_until_the_last_change_is_worked_on() {
        let mut desk = desk(2);
        desk.list([0, 1]);
        desk.handed_over();
        assert!(!desk.rush.is_on());
        desk.change(7);
        desk.change(7);
        desk.change(8);
        desk.handed_over();
        desk.places.give_back(&0);
        desk.places.give_back(&8);
        assert!(desk.rush.is_on());
        desk.places.give_back(&7);
        assert!(!desk.rush.is_on());
    }

    #[test]
    fn everything_is_handed_over_once_and_in_order() {
        let mut desk = desk(3);
        desk.list((0..10).chain(0..10));
        desk.change(7);
        let mut seen = Vec::new();
        loop {
            let now = desk.handed_over();
            if now.is_empty() {
                break;
            }
            for object in &now {
                desk.places.give_back(object);
            }
            seen.extend(now);
        }
        assert_eq!(seen, [7, 0, 1, 2, 3, 4, 5, 6, 8, 9]);
    }

    #[test]
    fn an_object_that_ends_for_another_reason_gives_its_place_back_once() {
        let mut desk = desk(1);
        desk.list([1, 2, 3]);
        assert_eq!(desk.handed_over(), [1]);
        desk.places.give_back(&5);
        assert_eq!(desk.handed_over(), [0; 0]);
        desk.places.give_back(&1);
        desk.places.give_back(&1);
        assert_eq!(desk.handed_over(), [2]);
    }

    #[test]
    fn what_was_handed_over_is_due_again_when_it_is_listed_again() {
        let mut desk = desk(1);
        desk.list([1]);
        assert_eq!(desk.handed_over(), [1]);
        desk.places.give_back(&1);
        desk.list([1]);
        assert_eq!(desk.handed_over(), [1]);
    }

    #[tokio::test]
    async fn who_waits_for_a_place_is_woken_when_there_is_one() {
        let mut desk = desk(1);
        desk.list([1, 2]);
        assert_eq!(desk.handed_over(), [1]);
        let places = desk.places.clone();
        let waiting = tokio::spawn(async move { desk.backlog.next().await });
        tokio::task::yield_now().await;
        places.give_back(&1);
        assert_eq!(waiting.await.unwrap(), Some(2));
    }
}
