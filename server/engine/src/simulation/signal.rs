//! A value that tasks wait for. Unlike those of tokio's `watch`, its waiters wake in the order in which they came, so that
//! a replay is the same.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Signal<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Copy + PartialEq> Signal<T> {
    pub(super) fn new(value: T) -> Self {
        Signal { value: Mutex::new(value), changed: Notify::new() }
    }

    pub(super) fn get(&self) -> T {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(T) -> T) {
        let is_new = {
            let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *value;
            *value = change(before);
            *value != before
        };
        if is_new {
            self.changed.notify_waiters();
        }
    }

    /// Waits until a value gives an answer.
    pub(super) async fn wait<U>(&self, answer: impl Fn(T) -> Option<U>) -> U {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(answer) = answer(self.get()) {
                return answer;
            }
            changed.await;
        }
    }
}
