//! Whether runs of a suite share one collected session: the engine says so in its log. That requires a collection
//! without effects, and only then a run after an edit is as fast as promised.

use super::Compared;

/// The engine's use of a session that has collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Runs are forked from it.
    Shared,
    /// Each run collects for itself, for this reason.
    Own(String),
}

impl Sharing {
    /// Reads the engine's log; the last word counts.
    pub(crate) fn of_log(log: &str) -> Option<Self> {
        log.lines().rev().find_map(|line| {
            if line.contains("runs share the collected session") {
                return Some(Sharing::Shared);
            }
            let (_, reason) = line.split_once("each run collects for itself reason=")?;
            Some(Sharing::Own(reason.to_owned()))
        })
    }
}

/// The share of suites whose runs share a session, and the reasons of the others, one in each line; empty if no run was
/// made in a mode that forks.
pub(crate) fn summary(all: &[Compared]) -> String {
    let known: Vec<(&str, &Sharing)> = all.iter().filter_map(|one| Some((&*one.name, one.sharing.as_ref()?))).collect();
    if known.is_empty() {
        return String::new();
    }
    let reasons = known.iter().filter_map(|(name, sharing)| match sharing {
        Sharing::Own(reason) => Some(format!("{name}: each run collects for itself: {reason}\n")),
        Sharing::Shared => None,
    });
    let reasons: String = reasons.collect();
    let shared = known.iter().filter(|(_, sharing)| **sharing == Sharing::Shared).count();
    let percent = 100 * shared / known.len();
    format!("{reasons}{shared} of {} suites ({percent} %) share the collected session between runs\n", known.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn compared(name: &str, sharing: Option<Sharing>) -> Compared {
        let (flips, drifting, ways) = (Vec::new(), Vec::new(), Vec::new());
        Compared { name: name.to_owned(), tests: 1, plain: Duration::ZERO, flips, drifting, sharing, ways }
    }

    #[test]
    fn the_log_says_whether_runs_share_and_the_last_word_counts() {
        let shared = "2026-01-01T00:00:00Z  INFO pytest_lens_engine::pool: runs share the collected session\n";
        let own =
            "2026-01-01T00:00:01Z  INFO pytest_lens_engine::pool: each run collects for itself reason=a.py:3 opens b\n";
        assert_eq!(Sharing::of_log(shared), Some(Sharing::Shared));
        assert_eq!(Sharing::of_log(&format!("{shared}{own}")), Some(Sharing::Own("a.py:3 opens b".to_owned())));
        assert_eq!(Sharing::of_log("a line of something else\n"), None);
    }

    #[test]
    fn the_summary_counts_what_is_known() {
        let own = Sharing::Own("it draws random numbers".to_owned());
        let all = [compared("a", Some(Sharing::Shared)), compared("b", Some(own)), compared("c", None)];
        let expected = "b: each run collects for itself: it draws random numbers\n\
                        1 of 2 suites (50 %) share the collected session between runs\n";
        assert_eq!(summary(&all), expected);
        assert_eq!(summary(&all[2..]), "");
    }
}
