//! Runs checks a few at a time: most of what they do is to wait for processes, which leaves a core idle.

use anyhow::{Result, anyhow};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many tasks run at a time: they wait for processes about half of the time.
pub(crate) const AT_A_TIME: usize = 3;

/// Does the same for each task, [`AT_A_TIME`]; the results come in the order in which the tasks end.
///
/// # Errors
/// The first one; no further task begins after it in its thread.
pub(crate) fn side_by_side<T: Send, R: Send>(
    tasks: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let waiting: Mutex<VecDeque<T>> = Mutex::new(tasks.into_iter().collect());
    let ended = Mutex::new(Vec::new());
    let go = || -> Result<()> {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(task) = next else { return Ok(()) };
            let result = work(task)?;
            ended.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(go)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the checks panicked"))?)
    })?;
    Ok(ended.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_its_result() {
        let mut doubled = side_by_side(1..=9, |number| Ok(number * 2)).unwrap();
        doubled.sort_unstable();
        assert_eq!(doubled, [2, 4, 6, 8, 10, 12, 14, 16, 18]);
    }

    #[test]
    fn a_broken_task_breaks_the_whole() {
        let result = side_by_side([1, 2, 3], |number| if number == 2 { Err(anyhow!("broken")) } else { Ok(()) });
        assert_eq!(result.unwrap_err().to_string(), "broken");
    }
}
