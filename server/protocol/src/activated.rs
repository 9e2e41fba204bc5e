//! The environment that a client has activated.

use serde::{Deserialize, Serialize};

/// The parts of a client's environment that determine its interpreter. An addition of pytest-lens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Activated {
    /// The variable `VIRTUAL_ENV`; `None` if it is not set.
    pub virtual_env: Option<String>,
    /// The variable `CONDA_PREFIX`; `None` if it is not set.
    pub conda_prefix: Option<String>,
    /// The variable `PATH`, for `python3` and project managers; `None` stands for the engine's own.
    pub path: Option<String>,
    /// Absolute path of the client's program: the environment that it is installed in counts, if that has pytest.
    pub program: Option<String>,
}
