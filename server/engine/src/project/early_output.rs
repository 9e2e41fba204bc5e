//! Keeps the output that comes before a run has begun: conftests and plugins print while the tests of the run are collected.

use std::collections::VecDeque;
use std::time::Instant;

use crate::processes::stdio_relay::Printed;

/// The most bytes; the oldest output is dropped first.
const KEPT: usize = 256 * 1024;

/// Output that belongs to no run yet.
#[derive(Default)]
pub(crate) struct EarlyOutput {
    texts: VecDeque<Printed>,
    bytes: usize,
}

impl EarlyOutput {
    pub(crate) fn add(&mut self, printed: Printed) {
        tracing::info!(stream = ?printed.stream, text = printed.text, "printed outside of a run");
        self.bytes += printed.text.len();
        self.texts.push_back(printed);
        while self.bytes > KEPT
            && let Some(Printed { text, .. }) = self.texts.pop_front()
        {
            self.bytes -= text.len();
        }
    }

    /// Takes the output since this time for a run. Older output is no one's.
    pub(crate) fn take_since(&mut self, since: Instant) -> Vec<Printed> {
        self.bytes = 0;
        let texts = std::mem::take(&mut self.texts).into_iter();
        texts.filter(|printed| printed.at >= since).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pytest_lens_protocol::OutputStream::Stdout;

    use super::*;

    fn printed(text: &str, at: Instant) -> Printed {
        Printed { stream: Stdout, text: text.to_owned(), at }
    }

    #[test]
    fn a_run_gets_the_output_since_its_request_once() {
        let mut early = EarlyOutput::default();
        let before = Instant::now();
        let requested = before + Duration::from_secs(1);
        early.add(printed("before", before));
        early.add(printed("after", requested));
        assert_eq!(early.take_since(requested), [printed("after", requested)]);
        assert_eq!(early.take_since(requested), []);
    }

    #[test]
    fn the_newest_output_is_kept() {
        let mut early = EarlyOutput::default();
        let at = Instant::now();
        for text in ["old", &"x".repeat(KEPT), "new"] {
            early.add(printed(text, at));
        }
        assert_eq!(early.take_since(at), [printed("new", at)]);
    }
}
