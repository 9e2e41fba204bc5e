//! Work that blocks, next to the tasks of the runtime.

/// Does work that blocks; `None` if it panics, or the runtime ends first.
///
/// On the runtime of a test with one thread it is done at once: another thread's answer would come at any moment of a
/// simulated clock.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    #[cfg(test)]
    if tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::CurrentThread {
        return Some(work());
    }
    tokio::task::spawn_blocking(work).await.ok()
}
