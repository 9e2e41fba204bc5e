//! The settings of a workspace folder (`pytestLens.*`), the same for editors, the daemon and the command line.

mod partial;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use partial::{ClientSettings, Mistake, PartialSettings};

/// Every setting, with its default. Dotted keys of editors are nested objects here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The interpreter; if it is not set, the engine searches for one.
    pub python_path: Option<String>,
    /// `embedded`, `subprocess` or `auto`.
    #[serde(deserialize_with = "execution_mode")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["auto", "embedded", "subprocess"])))]
    pub execution_mode: String,
    /// Number of runners, or `auto`; if it is not set, 1, or `auto` if the project itself asks pytest-xdist for several.
    pub workers: Option<WorkerCount>,
    /// Further arguments for pytest.
    pub arguments: Vec<String>,
    /// Environment variables for the tests; they take precedence over `envFile`.
    pub env: BTreeMap<String, String>,
    /// A file of `NAME=value` lines, relative to the root.
    pub env_file: Option<String>,
    /// Folders with projects of their own, as globs relative to the root; if it is not set, those with a configuration of
    /// pytest's, and with an empty list none.
    pub projects: Option<Vec<String>>,
    /// Settings of code lenses.
    pub code_lens: CodeLensSettings,
    /// Settings of inlay hints.
    pub inlay_hints: InlayHintSettings,
    /// The tests that saving a file runs.
    pub run_on_save: RunOnSave,
    /// Limit for each test, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Limit for a collection, in milliseconds.
    pub collect_timeout_ms: u64,
    /// The time that a run waits for its debugger, in milliseconds.
    pub debug_timeout_ms: u64,
    /// Settings for repeating failures.
    pub rerun: RerunSettings,
    /// Settings for keeping fixtures between runs.
    pub fixture_reuse: FixtureReuseSettings,
    /// Settings of flakiness.
    pub flaky: FlakySettings,
    /// The place where tests run.
    pub executor: Executor,
    /// Settings of Ray.
    pub ray: RayConfig,
    /// Settings of the selection of affected tests.
    pub impact: ImpactSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            python_path: None,
            execution_mode: "auto".into(),
            workers: None,
            arguments: Vec::new(),
            env: BTreeMap::new(),
            env_file: None,
            projects: None,
            code_lens: CodeLensSettings::default(),
            inlay_hints: InlayHintSettings::default(),
            run_on_save: RunOnSave::Off,
            timeout_ms: None,
            collect_timeout_ms: 300_000,
            debug_timeout_ms: 300_000,
            rerun: RerunSettings::default(),
            fixture_reuse: FixtureReuseSettings::default(),
            flaky: FlakySettings::default(),
            executor: Executor::Local,
            ray: RayConfig::default(),
            impact: ImpactSettings::default(),
        }
    }
}

/// The valid modes; another value is a typing mistake.
fn execution_mode<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const MODES: &[&str] = &["embedded", "subprocess", "auto"];
    let mode = String::deserialize(deserializer)?;
    if MODES.contains(&mode.as_str()) { Ok(mode) } else { Err(serde::de::Error::unknown_variant(&mode, MODES)) }
}

/// `pytestLens.workers`: the number of runners of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerCount {
    /// The fastest number, estimated from recorded durations; in JSON `"auto"`.
    Auto,
    /// This many, at least 1; in JSON the number.
    Fixed(u32),
}

impl WorkerCount {
    /// The most runners: each takes memory, and no machine or cluster runs more processes.
    const MOST: u32 = 65_536;

    /// This many runners.
    ///
    /// # Errors
    /// A sentence that names the fault and a valid number.
    pub fn fixed(count: u64) -> Result<Self, String> {
        match u32::try_from(count) {
            Ok(0) => Err("0 runners can't run anything; give at least 1".into()),
            Ok(count) if count <= WorkerCount::MOST => Ok(WorkerCount::Fixed(count)),
            _ => Err(format!("{count} runners are too many; give at most {}", WorkerCount::MOST)),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for WorkerCount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WorkerCount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How many runners a run has.",
            "anyOf": [{ "const": "auto", "type": "string" }, { "type": "integer", "minimum": 1, "maximum": WorkerCount::MOST }],
        })
    }
}

impl Serialize for WorkerCount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            WorkerCount::Auto => serializer.serialize_str("auto"),
            WorkerCount::Fixed(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for WorkerCount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl serde::de::Visitor<'_> for Count {
            type Value = WorkerCount;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a number from 1 to {}, or \"auto\"", WorkerCount::MOST)
            }

            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<WorkerCount, E> {
                WorkerCount::fixed(count).map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(count), &self))
            }

            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<WorkerCount, E> {
                Err(E::invalid_value(serde::de::Unexpected::Signed(count), &self))
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<WorkerCount, E> {
                match word {
                    "auto" => Ok(WorkerCount::Auto),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(Count)
    }
}

/// `pytestLens.codeLens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CodeLensSettings {
    /// Whether lenses are shown.
    pub enable: bool,
}

impl Default for CodeLensSettings {
    fn default() -> Self {
        CodeLensSettings { enable: true }
    }
}

/// `pytestLens.inlayHints`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct InlayHintSettings {
    /// Whether durations are shown after tests.
    pub enable: bool,
}

/// `pytestLens.runOnSave`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RunOnSave {
    /// Nothing.
    #[default]
    Off,
    /// The saved file's tests.
    File,
    /// The tests that import the saved file, directly or not.
    Affected,
}

/// `pytestLens.rerun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RerunSettings {
    /// Whether failures are repeated.
    pub enabled: bool,
    /// The most repeats of a test.
    pub max_reruns: u32,
    /// Repeat only tests known to be flaky.
    pub only_flaky: bool,
    /// Pause before each repeat, in milliseconds.
    pub delay_ms: u32,
}

impl Default for RerunSettings {
    fn default() -> Self {
        RerunSettings { enabled: false, max_reruns: 2, only_flaky: false, delay_ms: 0 }
    }
}

/// `pytestLens.fixtureReuse`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct FixtureReuseSettings {
    /// Whether fixtures stay set up between runs.
    pub enabled: bool,
    /// The longest time that they stay, in seconds: finite, not negative.
    #[serde(deserialize_with = "age")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub max_age_seconds: f64,
    /// Whether a changed `conftest.py` tears them down at once; otherwise the next run that needs its code does.
    pub teardown_on_conftest_change: bool,
    /// Whether a changed test file tears them down; otherwise only fixtures that it defines are torn down.
    pub teardown_on_test_file_change: bool,
    /// Scopes whose fixtures stay: `session`, `package`, `module`, `class`. Wider scopes than a listed one stay with
    /// it.
    #[serde(deserialize_with = "scopes")]
    #[cfg_attr(feature = "schema", schemars(extend("items" = {"type": "string", "enum": ["session", "package", "module", "class"]})))]
    pub scopes: Vec<String>,
}

impl FixtureReuseSettings {
    /// Checks that an age can be the limit.
    ///
    /// # Errors
    /// A sentence that names the fault and a valid value.
    pub fn check_age(seconds: f64) -> Result<(), String> {
        if seconds.is_finite() && seconds >= 0.0 {
            return Ok(());
        }
        Err(format!("{seconds} is no age; give a finite number of seconds, at least 0"))
    }
}

fn age<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    FixtureReuseSettings::check_age(seconds).map_err(serde::de::Error::custom)?;
    Ok(seconds)
}

/// The scopes whose fixtures can stay after a run; a function's fixtures belong to one test.
fn scopes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    const SCOPES: &[&str] = &["session", "package", "module", "class"];
    let scopes = Vec::<String>::deserialize(deserializer)?;
    match scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        Some(unknown) => Err(serde::de::Error::unknown_variant(unknown, SCOPES)),
        None => Ok(scopes),
    }
}

impl Default for FixtureReuseSettings {
    fn default() -> Self {
        FixtureReuseSettings {
            enabled: false,
            max_age_seconds: 600.0,
            teardown_on_conftest_change: true,
            teardown_on_test_file_change: false,
            scopes: vec!["session".into(), "package".into()],
        }
    }
}

/// `pytestLens.flaky`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FlakySettings {
    /// The number of a test's last runs that count.
    pub window: u32,
}

impl Default for FlakySettings {
    fn default() -> Self {
        FlakySettings { window: 50 }
    }
}

/// `pytestLens.executor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Executor {
    /// Processes of this machine.
    #[default]
    Local,
    /// The nodes of a Ray cluster.
    Ray,
}

/// `pytestLens.ray`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RayConfig {
    /// Address of the cluster's head, `HOST:PORT`; without one, a cluster is started on this machine.
    pub address: Option<String>,
    /// Packages that Ray installs on the nodes, as `uv` names them; without any, the nodes must have them.
    pub packages: Vec<String>,
}

/// `pytestLens.impact`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ImpactSettings {
    /// When to record what each test depends on.
    pub record: ImpactRecord,
}

/// `pytestLens.impact.record`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ImpactRecord {
    /// In every run, where affected tests are asked for: by `runOnSave` or `run --affected`.
    #[default]
    Run,
    /// Not in runs: while nobody uses the engine, it runs the tests again that passed last and whose record is missing
    /// or outdated. Their outcomes are neither shown nor counted.
    Idle,
    /// Never: affected tests are found by the imports in the sources, and by files that tests read.
    Off,
}
