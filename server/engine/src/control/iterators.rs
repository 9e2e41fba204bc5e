//! What clients read in batches: the cases of a suite.

use std::sync::{Arc, Mutex, PoisonError};

use pytest_lens_protocol::Case;

/// Cases in one batch.
const BATCH: usize = 1_000;

/// A suite's cases, read by one client.
pub(crate) struct Cases {
    names: Vec<Arc<str>>,
    next: Mutex<usize>,
}

impl Cases {
    pub(crate) fn new(names: Vec<Arc<str>>) -> Self {
        Cases { names, next: Mutex::default() }
    }

    /// The next batch; empty where there is no more.
    pub(crate) fn next(&self) -> Vec<Case> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let batch: Vec<Case> =
            self.names.iter().skip(*next).take(BATCH).map(|name| Case { name: name.to_string() }).collect();
        *next += batch.len();
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
