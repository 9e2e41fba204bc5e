//! The order of collections by the state of the disk that they describe. They may be recorded in another order: one that
//! began before an edit must not undo what one that began after it has found.

use tokio::time::Instant;

use crate::model::scope::Scope;

/// The newest collection of each part of a project.
#[derive(Default)]
pub(crate) struct CollectionOrder {
    /// Scopes with the times at which the disk was in the state that they describe. None is covered by a later one.
    newest: Vec<(Instant, Scope)>,
}

impl CollectionOrder {
    /// Adds a collection that describes the disk at this time. Returns the parts of its scope that later collections
    /// describe already.
    pub(crate) fn add(&mut self, at: Instant, scope: &Scope) -> Vec<Scope> {
        let later = self.later_than(at);
        if !later.iter().any(|later| later.covers(scope)) {
            self.newest.retain(|(other, older)| *other > at || !scope.covers(older));
            self.newest.push((at, scope.clone()));
        }
        later
    }

    /// The parts of the project that collections describe which are later than this time.
    pub(crate) fn later_than(&self, at: Instant) -> Vec<Scope> {
        self.newest.iter().filter(|(other, _)| *other > at).map(|(_, scope)| scope.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_older_collection_learns_which_parts_are_newer() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (a, b) = (Scope::of_ids(["a.py"]), Scope::of_ids(["b.py"]));
        let mut order = CollectionOrder::default();
        assert_eq!(order.add(start, &Scope::All), []);
        assert_eq!(order.add(start + second * 2, &a), []);
        assert_eq!(order.add(start + second * 3, &b), []);
        assert_eq!(order.add(start + second, &Scope::All), [a.clone(), b.clone()]);
        assert_eq!(order.add(start + second * 2, &b), std::slice::from_ref(&b));
        // A later collection that covers others replaces them.
        assert_eq!(order.add(start + second * 4, &Scope::All), []);
        assert_eq!(order.newest, [(start + second * 4, Scope::All)]);
        assert_eq!(order.add(start + second * 3, &a), [Scope::All]);
        assert_eq!(order.newest.len(), 1);
    }
}
