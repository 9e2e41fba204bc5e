//! Iterators over the cases of a suite, which clients read in batches.

use std::sync::{Arc, Mutex, PoisonError};
use std::vec::IntoIter;

use pytest_lens_protocol::Case;

/// Cases in one batch.
const BATCH: usize = 1_000;

/// A suite's cases, read by one client.
pub(crate) struct Cases(Mutex<IntoIter<Arc<str>>>);

impl Cases {
    pub(crate) fn new(names: Vec<Arc<str>>) -> Self {
        Cases(Mutex::new(names.into_iter()))
    }

    /// The next batch; empty after the last.
    pub(crate) fn next(&self) -> Vec<Case> {
        let mut rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = rest.by_ref().take(BATCH).map(|name| Case { name: name.to_string() }).collect();
        if rest.len() == 0 {
            // The client may keep the iterator long after it has read everything.
            *rest = Vec::new().into_iter();
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_tell_every_case_once_and_end_with_an_empty_one() {
        let names: Vec<Arc<str>> = (0..2_500).map(|number| number.to_string().into()).collect();
        let cases = Cases::new(names.clone());
        let mut told = Vec::new();
        loop {
            let batch = cases.next();
            if batch.is_empty() {
                break;
            }
            told.extend(batch.into_iter().map(|case| case.name));
        }
        assert_eq!(told, names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert!(cases.next().is_empty());
    }
}
