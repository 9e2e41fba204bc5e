//! The arguments of the tools. Their docs are the descriptions that an agent reads.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

/// `run_tests`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RunTests {
    /// Node ids such as `tests/test_a.py::TestA::test_b[1]`, or without the brackets for all cases.
    pub ids: Vec<String>,
    /// Files or folders. Without ids and paths all tests are selected.
    pub paths: Vec<String>,
    /// pytest's -k expression.
    pub keyword: Option<String>,
    /// pytest's -m expression.
    pub marks: Option<String>,
    /// Of the selected tests, only those that failed when they last ran.
    pub failed: bool,
    /// Of the selected tests, only those that changed files can reach.
    pub affected: bool,
    /// With affected: the branch, tag or commit to compare with, instead of the last commit.
    pub base: Option<String>,
    /// Run each test up to this many times, each in a fresh process, until it fails.
    #[schemars(range(min = 1, max = 1000))]
    pub repeat: Option<u32>,
    /// Seconds after which the run is killed (600 by default, at most 3600).
    #[schemars(range(min = 1, max = 3600))]
    pub time_limit: Option<u64>,
}

/// `list_tests`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListTests {
    /// Files, folders, or ids of classes or functions; all tests if empty.
    pub paths: Vec<String>,
    /// pytest's -k expression.
    pub keyword: Option<String>,
    /// pytest's -m expression.
    pub marks: Option<String>,
    /// Page of the list, from 1.
    pub page: Option<usize>,
}

/// `explain_failure`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainFailure {
    /// Node id of one test.
    pub id: String,
    /// Page of the captured output, from 1. Further pages do not run the test again.
    #[serde(default)]
    pub page: Option<usize>,
}

/// `is_it_flaky`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct IsItFlaky {
    /// Node id of one test; without it, all flaky tests are listed.
    pub id: Option<String>,
}

/// `impact`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Impact {
    /// Changed files; without them, those that differ from the last commit.
    pub paths: Vec<String>,
    /// A branch, tag or commit to compare with, instead of the last commit.
    pub base: Option<String>,
}
