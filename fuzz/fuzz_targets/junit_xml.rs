//! JUnit XML, as `pytest-lens import` reads it. The reader's own files are compiled here, so that this target needs none
//! of what the rest of the command line does.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the command line uses the rest")]
#[path = "../../server/cli/src/commands/import/junit.rs"]
mod junit;
#[path = "../../server/cli/src/commands/import/timestamp.rs"]
mod timestamp;

fuzz_target!(|data: &[u8]| {
    match junit::parse(data) {
        Ok(report) => {
            for case in &report.cases {
                assert!(!case.outcomes.is_empty() && case.duration_ms >= 0.0, "{case:?}");
            }
        }
        Err(invalid) => {
            let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=lines).contains(&invalid.line) && !invalid.why.is_empty(), "{invalid:?}");
        }
    }
});
