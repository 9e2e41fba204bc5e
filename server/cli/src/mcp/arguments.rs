//! The arguments of the tools. Their docs are the descriptions that an agent reads.

use rmcp::schemars::{self, JsonSchema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// `run_tests`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RunTests {
    /// Node ids such as `tests/test_a.py::TestA::test_b[1]`, or without the brackets for all cases.
    #[serde(deserialize_with = "list")]
    pub ids: Vec<String>,
    /// Files or folders. Without ids and paths all tests are selected.
    #[serde(deserialize_with = "list")]
    pub paths: Vec<String>,
    /// pytest's -k expression.
    pub keyword: Option<String>,
    /// pytest's -m expression.
    pub marks: Option<String>,
    /// Of the selected tests, only those that failed when they last ran.
    #[serde(deserialize_with = "switch")]
    pub failed: bool,
    /// Of the selected tests, only those that changed files can reach.
    #[serde(deserialize_with = "switch")]
    pub affected: bool,
    /// With affected: the branch, tag or commit to compare with, instead of the last commit.
    pub base: Option<String>,
    /// Run the selected tests up to this many times, until one fails.
    #[schemars(range(min = 1, max = 1000))]
    pub repeat: Option<i64>,
    /// Seconds after which the run is killed (600 by default, at most 3600).
    #[schemars(range(min = 1, max = 3600))]
    pub time_limit: Option<i64>,
}

/// `list_tests`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListTests {
    /// Files, folders, or ids of classes or functions; all tests if empty.
    #[serde(deserialize_with = "list")]
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
    #[serde(deserialize_with = "list")]
    pub paths: Vec<String>,
    /// A branch, tag or commit to compare with, instead of the last commit.
    pub base: Option<String>,
}

/// A list, one text in its place, or null for none: some agents write them so.
fn list<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        Many(Vec<String>),
        None(()),
    }
    Ok(match Given::deserialize(given).map_err(|_| D::Error::custom("a list of texts is expected"))? {
        Given::One(text) => vec![text],
        Given::Many(texts) => texts,
        Given::None(()) => Vec::new(),
    })
}

/// A switch; null is off.
fn switch<'de, D: Deserializer<'de>>(given: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(given)?.unwrap_or_default())
}
